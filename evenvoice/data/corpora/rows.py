"""Rows of index tables: TSV, CSV, JSON lines as NeMo writes them, and Parquet, with types checked by name."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from evenvoice.data.corpora.files import read_lines
from evenvoice.data.corpora.places import ObjectPath, Place
from evenvoice.errors import CorpusError


@dataclass(frozen=True, slots=True)
class Row:
    """One row, with the place it came from."""

    values: dict[str, object]
    index: Place
    number: int
    """Counted from 1, the header included where there is one."""

    def text(self, *names: str) -> str | None:
        """Return the first column of ``names`` that exists and is not empty; whole numbers become text.

        Raises:
            CorpusError: the value is neither text nor a whole number.
        """
        name, value = self._first(names)
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            raise self._wrong(name, "be text", value)
        return None if value is None else str(value)

    def strict_text(self, name: str) -> str | None:
        """Like :meth:`text`, but a number is refused: it has lost its leading zeros.

        Raises:
            CorpusError: the value is not text.
        """
        _, value = self._first((name,))
        if not isinstance(value, str | None):
            raise self._wrong(name, "be text, since numbers lose leading zeros", value)
        return value

    def number_or_none(self, *names: str) -> float | None:
        """Return the first column of ``names`` that exists and is not empty as a number.

        Raises:
            CorpusError: the value is not a number.
        """
        name, value = self._first(names)
        if value is None:
            return None
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            try:
                return float(value)
            except (ValueError, OverflowError):
                pass
        raise self._wrong(name, "be a number", value)

    def _first(self, names: tuple[str, ...]) -> tuple[str, object]:
        for name in names:
            value = self.values.get(name)
            if value is None or value == "":
                continue
            if isinstance(value, str) and not _is_unicode(value):
                raise self._wrong(name, "be Unicode text", value)
            return name, value
        return names[0], None

    def _wrong(self, column: str, rule: str, value: object) -> CorpusError:
        shown = repr(value)
        return CorpusError(name=f"column {column!r} in row {self.number} of {self.index}", rule=rule,
                           value=shown if len(shown) <= 80 else shown[:77] + "...",
                           action="Correct the value, or rename the column if it means something else.")


def _is_unicode(text: str) -> bool:
    """JSON can spell half a surrogate pair, which no file can hold."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def read_rows(index: Place) -> Iterator[Row]:
    """Yield the rows of a table whose ending names its format.

    Raises:
        CorpusError: missing, of an unknown ending, or malformed.
    """
    reader = READERS.get(index.suffix.lower())
    if reader is None:
        raise CorpusError(name=str(index), rule=f"end in one of {', '.join(READERS)}", value=index.suffix or "none",
                          action="Rename or convert it.")
    return reader(index)


def _tsv(index: Place) -> Iterator[Row]:
    # quotation marks in a TSV belong to the transcript
    return _delimited(index, csv.reader(_lines(index), delimiter="\t", quoting=csv.QUOTE_NONE))


def _csv(index: Place) -> Iterator[Row]:
    return _delimited(index, csv.reader(_lines(index), strict=True))


def _lines(index: Place) -> Iterator[str]:
    return (f"{line}\n" for _, line in read_lines(index))


def _delimited(index: Place, rows: Iterator[list[str]]) -> Iterator[Row]:
    try:
        header = next(rows, [])
        if len(set(header)) != len(header):
            raise CorpusError(name=f"header of {index}", rule="name each column once", value=", ".join(header),
                              action="Rename one of the columns.")
        for number, fields in enumerate(rows, start=2):
            if len(fields) != len(header):
                raise CorpusError(name=f"row {number} of {index}", rule=f"have {len(header)} columns",
                                  value=len(fields), action="Correct the row.")
            yield Row(dict(zip(header, fields, strict=True)), index, number)
    except csv.Error as error:
        raise CorpusError(name=str(index), rule="be a well-formed table", value=str(error),
                          action="Correct it, or write JSON lines instead.") from error


def _json_lines(index: Place) -> Iterator[Row]:
    for number, line in read_lines(index):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CorpusError(name=f"row {number} of {index}", rule="be JSON", value=str(error),
                              action="Write one JSON object per line.") from error
        if not isinstance(values, dict):
            raise CorpusError(name=f"row {number} of {index}", rule="be a JSON object", value=type(values).__name__,
                              action="Write one JSON object per line.")
        yield Row(values, index, number)


def _parquet(index: Place) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        with pa.parquet.ParquetFile(index.open_binary() if isinstance(index, ObjectPath) else index) as file:
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(values, index, number)
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(name=str(index), rule="be a readable Parquet file", value=str(error),
                          action="Write it again.") from error


READERS: Final[dict[str, Callable[[Place], Iterator[Row]]]] = {
    ".tsv": _tsv, ".csv": _csv, ".jsonl": _json_lines, ".json": _json_lines, ".parquet": _parquet,
}
