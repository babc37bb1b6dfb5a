"""Rows of index tables: TSV, CSV, JSON lines as NeMo writes them, and Parquet, with types checked by name."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evenvoice.data.corpora.files import all_lines, read_lines, shown
from evenvoice.data.corpora.places import Place, open_index
from evenvoice.errors import CorpusError

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET: Final = ".parquet"
SPARSE: Final = (".jsonl", ".json")
"""Rows of these may lack a column that others have."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row, with the place it came from."""

    values: dict[str, object]
    index: Place
    number: int
    """Line of the file on which it begins, or place in a Parquet table; counted from 1."""

    @property
    def where(self) -> str:
        """How errors name it."""
        return f"{self._numbered} of {self.index}"

    @property
    def short(self) -> str:
        """How it is called where nothing in it names it; unique in a corpus."""
        return f"{self._numbered} of {self.index.name}"

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

    @property
    def _numbered(self) -> str:
        return f"{'row' if self.index.suffix.lower() == PARQUET else 'line'} {self.number}"

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
        text = repr(value)
        return CorpusError(name=f"column {column!r} in {self.where}", rule=rule,
                           value=text if len(text) <= 80 else f"{text[:77]}...",
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
    return _delimited(index, ((number, line, line.split("\t")) for number, line in read_lines(index)))


def _csv(index: Place) -> Iterator[Row]:
    return _delimited(index, _csv_records(index))


class _Lines:
    """Lines for the csv module, which may take several for one record; the first of them is kept."""

    def __init__(self, index: Place) -> None:
        self.first: tuple[int, str] | None = None
        self._lines = all_lines(index)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number, line = next(self._lines)
        self.first = self.first or (number, line)
        return f"{line}\n"


def _csv_records(index: Place) -> Iterator[tuple[int, str, list[str]]]:
    lines = _Lines(index)
    records = csv.reader(lines, strict=True)
    while True:
        lines.first = None
        try:
            fields = next(records, None)
        except csv.Error as error:
            number, line = lines.first or (0, "")
            raise CorpusError(name=f"line {number} of {index}", rule="begin a record with paired quotation marks",
                              value=f"{shown(line)} ({error})",
                              action="Close what is quoted and double a quotation mark inside it, or write JSON lines "
                                     "instead.") from error
        if fields is None:
            return
        if lines.first and (len(fields) > 1 or any(field.strip() for field in fields)):
            yield (*lines.first, fields)


def _delimited(index: Place, records: Iterator[tuple[int, str, list[str]]]) -> Iterator[Row]:
    """Rows of records that come with the number and text of their first line."""
    _, _, header = next(records, (0, "", []))
    _refuse_repeated(header, index)
    for number, line, fields in records:
        if len(fields) != len(header):
            raise CorpusError(name=f"line {number} of {index}", rule=f"have {len(header)} columns",
                              value=f"{len(fields)}: {shown(line)}", action="Correct the line.")
        yield Row(dict(zip(header, fields, strict=True)), index, number)


def _refuse_repeated(header: list[str], index: Place) -> None:
    if len(set(header)) != len(header):
        raise CorpusError(name=f"header of {index}", rule="name each column once", value=", ".join(header),
                          action="Rename one of the columns.")


def _json_lines(index: Place) -> Iterator[Row]:
    for number, line in read_lines(index):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = f"{error.msg} at character {error.colno}" if isinstance(error, json.JSONDecodeError) else error
            raise CorpusError(name=f"line {number} of {index}", rule="be JSON", value=f"{shown(line)} ({reason})",
                              action="Write one JSON object per line.") from error
        if not isinstance(values, dict):
            raise CorpusError(name=f"line {number} of {index}", rule="be a JSON object", value=shown(line),
                              action="Write one JSON object per line.")
        yield Row(values, index, number)


def _parquet(index: Place) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        with open_index(index) as opened, pa.parquet.ParquetFile(opened) as file:
            _refuse_repeated(file.schema_arrow.names, index)
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for values in _unpacked(batch, number, index):
                    number += 1
                    yield Row(values, index, number)
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(name=str(index), rule="be a readable Parquet file", value=str(error),
                          action="Write it again.") from error


def _unpacked(batch: pa.RecordBatch, before: int, index: Place) -> list[dict[str, object]]:
    """Rows of a batch that ``before`` others stand in front of."""
    try:
        rows: list[dict[str, object]] = batch.to_pylist()
    except UnicodeDecodeError as error:
        if len(batch) == 1:
            raise CorpusError(name=f"row {before + 1} of {index}", rule="be UTF-8 text", value=shown(error.object),
                              action="Write the table again, with text that is UTF-8.") from error
        half = len(batch) // 2
        return (_unpacked(batch.slice(0, half), before, index)
                + _unpacked(batch.slice(half), before + half, index))
    return rows


READERS: Final[dict[str, Callable[[Place], Iterator[Row]]]] = {
    ".tsv": _tsv, ".csv": _csv, ".jsonl": _json_lines, ".json": _json_lines, PARQUET: _parquet,
}
