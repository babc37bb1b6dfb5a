"""What recognisers wrote of recordings, as the tables that they leave have it, row by row.

Columns go by their usual names. A table of one recogniser has one column of what it wrote (``pred_text``); a table of
several has one for each (``pred_text_small``, ``pred_text_large``), the first of which is the base. Recognisers that
leave a file each, by utterance, are read by :mod:`evenvoice.judge.pairs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from evenvoice.data.corpora.rows import Row, read_rows
from evenvoice.errors import CorpusError

KEY: Final = ("utterance", "utterance_id", "utt_id", "id", "audio_filepath", "path", "audio")
SPEAKER: Final = ("speaker", "speaker_id", "spk", "client_id")
REFERENCE: Final = ("reference", "ref", "text", "sentence", "transcript")
WRITTEN: Final = ("pred_text", "hypothesis", "hyp", "prediction")
"""Columns of what a recogniser wrote; with an underscore and a name behind them, of the recogniser of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One recording: what was said, by whom, and what each recogniser wrote.

    Attributes:
        where: line and file, for errors.
        row: of the table that it stands in, where that may say more of the speaker.
    """

    key: str
    speaker: str | None
    reference: str
    written: Mapping[str, str]
    where: str
    row: Row | None = field(default=None, compare=False)


def read_table(path: Path) -> Iterator[Utterance]:
    """Yield the rows of a TSV, CSV, JSON lines or Parquet table.

    Raises:
        CorpusError: malformed, or without a column that is needed; it is named.
    """
    return utterances_of(read_rows(path))


def utterances_of(rows: Iterable[Row]) -> Iterator[Utterance]:
    """Yield what rows say, all of one table.

    Raises:
        CorpusError: a column that is needed is missing; it is named.
    """
    systems: dict[str, str] | None = None
    for row in rows:
        if systems is None:
            systems = _systems(row)
            _check_column(row, KEY)
            _check_column(row, REFERENCE)
        yield Utterance(key=_needed(row, KEY), speaker=row.text(*SPEAKER), reference=row.text(*REFERENCE) or "",
                        written={name: _written(row, column) for name, column in systems.items()}, where=row.where,
                        row=row)


def columns_named(values: Mapping[str, object], names: Sequence[str]) -> list[str]:
    """Which of these columns there are."""
    return [name for name in names if name in values]


def _systems(row: Row) -> dict[str, str]:
    """Name of each recogniser, and its column, in the order of the table."""
    found: dict[str, str] = {}
    for column in row.values:
        stem = next((stem for stem in WRITTEN if column == stem or column.startswith(f"{stem}_")), None)
        if stem is None or column in SPEAKER or column in REFERENCE:
            continue
        name = column.removeprefix(stem).removeprefix("_") or column
        if name in found:
            raise CorpusError(name=row.where, rule="have one column of what each recogniser wrote",
                              value=f"{found[name]!r} and {column!r}, both of {name!r}",
                              action="Rename one of them, or leave it out.")
        found[name] = column
    if not found:
        raise CorpusError(name=row.where, rule=f"have a column of what a recogniser wrote ({', '.join(WRITTEN)}, or "
                                               f"{WRITTEN[0]}_NAME for each of several)",
                          value=f"only {', '.join(map(repr, row.values))}", action="Rename the column.")
    return found


def _check_column(row: Row, names: Sequence[str]) -> None:
    if not columns_named(row.values, names):
        raise CorpusError(name=row.where, rule=f"have a column named {' or '.join(names)}",
                          value=f"only {', '.join(map(repr, row.values))}", action="Rename the column.")


def _needed(row: Row, names: Sequence[str]) -> str:
    value = row.text(*names)
    if value is None:
        raise CorpusError(name=row.where, rule=f"name its utterance ({' or '.join(names)})", value="nothing",
                          action="Fill in the column.")
    return value


def _written(row: Row, column: str) -> str:
    """A recogniser may write nothing, but where there is no text at all, nobody transcribed."""
    if row.values.get(column) is None:
        raise CorpusError(name=row.where, rule=f"have {column!r}, as other rows",
                          value="null" if column in row.values else "no such column",
                          action="Transcribe every recording with every recogniser, or leave the recording out; where "
                                 "one heard nothing, write an empty text.")
    return row.text(column) or ""
