"""Embeddings of speakers, by which clusters of like voices are found: one of unit length for each speaker.

Of several rows of one speaker the mean counts, each of them brought to unit length before, as the pipeline takes the
mean over recordings.

Shapes: R rows of a batch, S speakers, D embedding width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.corpora.rows import PARQUET
from evenvoice.errors import CorpusError
from evenvoice.judge.frames import arrow_of
from evenvoice.judge.utterances import SPEAKER, columns_named

if TYPE_CHECKING:
    import pyarrow as pa

Voices = dict[str, NDArray[np.float32]]
"""Speaker -> embedding (D,) of unit length."""
EMBEDDING: Final = "embedding"
BATCH: Final = 4096
LEAST: Final = 1e-6
"""Shorter means are of rows that cancel each other out, so they point nowhere."""


def read_voices(path: Path) -> Voices:
    """Read a Parquet table with a column of speakers and one of lists of numbers.

    Raises:
        CorpusError: unreadable, or not of such columns; an embedding that is missing, is not a number, is zero, or is
            not as wide as the others, by its row.
    """
    import pyarrow as pa
    import pyarrow.parquet

    if path.suffix.lower() != PARQUET:
        raise CorpusError(name=str(path), rule=f"end in {PARQUET}", value=path.suffix or "no ending",
                          action="Write the embeddings as Parquet.")
    try:
        with pa.parquet.ParquetFile(path) as file:
            columns = _columns(file.schema_arrow.names, str(path))
            return _voices(file.iter_batches(batch_size=BATCH, columns=[*columns]), columns, str(path))
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(name=str(path), rule="be a readable Parquet file", value=str(error),
                          action="Write it again.") from error


def voices_of(table: Any) -> Voices:
    """The same of an Arrow table or a pandas data frame.

    Raises:
        CorpusError: as :func:`read_voices` does, or it is neither.
    """
    name = "the table of embeddings"
    arrow = arrow_of(table, name)
    columns = _columns(arrow.column_names, name)
    return _voices(arrow.select([*columns]).to_batches(BATCH), columns, name)


def _columns(names: Iterable[str], where: str) -> tuple[str, str]:
    """Names of the columns of speakers and embeddings."""
    there = dict.fromkeys(names)
    speaker = columns_named(there, SPEAKER)
    if not speaker or EMBEDDING not in there:
        raise CorpusError(name=where, rule=f"have a column named {' or '.join(SPEAKER)}, and one named {EMBEDDING}",
                          value=f"only {', '.join(map(repr, there)) or 'none'}", action="Rename the columns.")
    return speaker[0], EMBEDDING


def _voices(batches: Iterable[pa.RecordBatch], columns: tuple[str, str], where: str) -> Voices:
    row_of: dict[str, int] = {}
    sums_SD = np.zeros((0, 0), dtype=np.float32)
    for first, batch in _numbered(batches):
        speakers = _speakers(batch.column(columns[0]), first, where)
        units_RD = _units(batch.column(columns[1]), first, where, len(sums_SD) and sums_SD.shape[1])
        rows_R = [row_of.setdefault(speaker, len(row_of)) for speaker in speakers]
        sums_SD = _room(sums_SD, len(row_of), units_RD.shape[1])
        np.add.at(sums_SD, rows_R, units_RD)
    if not row_of:
        raise CorpusError(name=where, rule="hold an embedding", value="no row", action="Leave --embeddings out.")
    lengths_S = np.linalg.norm(sums_SD[:len(row_of)], axis=1)
    for speaker, length in zip(row_of, lengths_S, strict=True):
        if length < LEAST:
            raise CorpusError(name=f"the embeddings of speaker {speaker!r} in {where}", rule="point somewhere",
                              value="rows that cancel each other out", action="Leave the speaker out.")
    return dict(zip(row_of, sums_SD[:len(row_of)] / lengths_S[:, None], strict=True))


def _numbered(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches that hold something, with the number of the first row of each, counted from 1."""
    number = 1
    for batch in batches:
        if len(batch):
            yield number, batch
        number += len(batch)


def _speakers(column: pa.Array, first: int, where: str) -> list[str]:
    import pyarrow as pa

    if pa.types.is_floating(column.type) or pa.types.is_nested(column.type):
        raise CorpusError(name=f"the speakers of {where}", rule="be text or whole numbers", value=column.type,
                          action="Write the column as text.")
    found: list[str | None] = column.cast(pa.string()).to_pylist()
    for number, speaker in enumerate(found, start=first):
        if not speaker:
            raise CorpusError(name=f"row {number} of {where}", rule=f"name a speaker ({' or '.join(SPEAKER)})",
                              value="nothing", action="Fill in the column.")
    return [speaker for speaker in found if speaker is not None]


def _units(column: pa.Array, first: int, where: str, width: int) -> NDArray[np.float32]:
    """Embeddings (R, D) of unit length.

    Args:
        width: that they have to have; 0 for that of the first row.
    """
    lengths_R = _lengths(column, where)
    width = width or max(int(lengths_R[0]), 1)
    if (lengths_R != width).any():
        row = int((lengths_R != width).argmax())
        raise _wrong(row + first, where, "have numbers" if first + row == 1 else f"have {width}, as the first row",
                     f"{lengths_R[row]}" if lengths_R[row] >= 0 else "no embedding")
    # a null becomes NaN here
    values_RD = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width).astype(np.float64)
    norms_R = np.linalg.norm(values_RD, axis=1)
    for bad_R, rule, value in ((~np.isfinite(norms_R), "be finite numbers", "NaN or infinity"),
                               (norms_R == 0, "point somewhere", "zeros alone")):
        if bad_R.any():
            raise _wrong(int(bad_R.argmax()) + first, where, rule, value)
    units_RD: NDArray[np.float32] = (values_RD / norms_R[:, None]).astype(np.float32)
    return units_RD


def _lengths(column: pa.Array, where: str) -> NDArray[np.int64]:
    """How many numbers each row has (R,); -1 where there is no list."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not lists or not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise CorpusError(name=f"column {EMBEDDING!r} of {where}", rule="hold lists of numbers", value=kind,
                          action="Write the embeddings as lists of numbers.")
    lengths: NDArray[np.int64] = pc.fill_null(pc.list_value_length(column), -1).to_numpy(
        zero_copy_only=False).astype(np.int64)
    return lengths


def _wrong(row: int, where: str, rule: str, value: str) -> CorpusError:
    return CorpusError(name=f"column {EMBEDDING!r} in row {row} of {where}", rule=rule, value=value,
                       action="Correct the embedding, or leave the row out.")


def _room(sums_SD: NDArray[np.float32], speakers: int, width: int) -> NDArray[np.float32]:
    """With a row for each of so many speakers, and as many again where there were too few."""
    if speakers <= len(sums_SD):
        return sums_SD
    grown_SD = np.zeros((2 * speakers, width), dtype=np.float32)
    grown_SD[:len(sums_SD)] = sums_SD.reshape(len(sums_SD), width)
    return grown_SD
