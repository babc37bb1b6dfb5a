"""How indexes call their audio: the path columns of tables and the lines of wav.scp; elsewhere, what looks like a path.

Asked before every run, so nothing is checked and what is malformed is passed over: ingest refuses it by its line.
Arrow is only needed for a Parquet manifest.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, Final

from evenvoice.data.corpora.columns import PATH
from evenvoice.data.corpora.places import ObjectPath, Place
from evenvoice.data.corpora.reading import readable
from evenvoice.errors import CorpusError, PreflightError

AUDIO_PATH: Final = re.compile(r'[^\t,"\r\n]+\.(?:wav|flac|mp3|ogg)\b', re.IGNORECASE)
_WHOLE_PATH: Final = ("/", "s3://")
"""What a line, or a field without a header, begins with that is a path whatever its suffix."""
_ROWS: Final = 1 << 14
"""Of a Parquet manifest that are held at a time."""


def names(index: Place) -> Iterator[str]:
    """Yield how an index calls its audio, in the order in which it stands there.

    Raises:
        CorpusError: the index cannot be read.
        PreflightError: a Parquet manifest, and no Arrow.
    """
    suffix = index.suffix.lower()
    if suffix == ".parquet":
        yield from _in_parquet(index)
        return
    with readable(str(index)), index.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as lines:
        if suffix == ".scp":
            yield from _in_scp(lines)
        elif suffix == ".tsv":
            yield from _in_table(line.rstrip("\r\n").split("\t") for line in lines)
        elif suffix == ".csv":
            yield from _in_table(_csv(lines))
        elif suffix in (".json", ".jsonl"):
            yield from _in_json_lines(lines)
        else:
            for line in lines:
                yield from _in_text(line.strip())


def _in_scp(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if len(fields := line.split(maxsplit=1)) == 2:
            yield fields[1].strip()


def _csv(lines: Iterable[str]) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines)
    except csv.Error:  # ingest refuses such a table
        return


def _in_table(rows: Iterator[Sequence[str]]) -> Iterator[str]:
    header = next(rows, [])
    columns = [place for place, name in enumerate(header) if name.strip().lower() in PATH]
    if not columns:
        for field in (*header, *(field for fields in rows for field in fields)):
            yield from _in_text(field)
    for fields in rows:
        yield from (fields[place] for place in columns if place < len(fields))


def _in_json_lines(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            values = None
        if isinstance(values, dict):
            yield from (values[name] for name in PATH if isinstance(values.get(name), str))
        else:
            yield from (_unescaped(name) for name in AUDIO_PATH.findall(line))


def _unescaped(name: str) -> str:
    try:
        return str(json.loads(f'"{name}"'))
    except ValueError:
        return name


def _in_text(text: str) -> Iterator[str]:
    if text.startswith(_WHOLE_PATH):
        yield text
    else:
        yield from AUDIO_PATH.findall(text)


def _in_parquet(index: Place) -> Iterator[str]:
    try:  # by name, since what starts runs may not depend on Arrow
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise PreflightError(name="pyarrow", rule=f"be installed to see what {index} names", value=str(error),
                             action="Install it where runs are started, or write the manifest as TSV or JSON "
                                    "lines.") from error
    try:
        with parquet.ParquetFile(index.open_binary() if isinstance(index, ObjectPath) else index) as file:
            columns = [field.name for field in file.schema_arrow if field.name in PATH and _is_text(field.type, arrow)]
            for batch in file.iter_batches(batch_size=_ROWS, columns=columns) if columns else ():
                for column in batch.columns:
                    yield from filter(None, column.to_pylist())
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise CorpusError(name=str(index), rule="be a readable Parquet file", value=str(error),
                          action="Write it again.") from error


def _is_text(kind: Any, arrow: Any) -> bool:
    inner = kind.value_type if arrow.types.is_dictionary(kind) else kind
    return bool(arrow.types.is_string(inner) or arrow.types.is_large_string(inner))
