"""Features of a corpus, memory-mapped: a recording's frames, id and transcript are read where they lie.

What is held of a recording is what batches are made by: frames, seconds, and numbers of its split and its speaker, 13
bytes together. Of each record batch of a file it is known where it lies, and all else stands there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenvoice.data.schemas import FEATURES
from evenvoice.data.tables import open_ipc_shard
from evenvoice.errors import ArtifactError
from evenvoice.origins import check_contents, listed_files
from evenvoice.storage import read_json

Objects = NDArray[np.object_]
Rows = NDArray[np.integer[Any]]
STATISTICS = "statistics.json"
"""Mean and standard deviation of each mel band over the frames of the train split."""
FILES: Final = ".arrow"
READ_AT_ONCE: Final = 8192
"""Strings that iterating over a column makes at a time."""


def feature_files(path: Path) -> list[str]:
    """Names of all files of features that the featurize stage wrote, in order, whether or not they are here.

    Raises:
        ArtifactError: their list is missing.
    """
    return [name for name in listed_files(path) if name.endswith(FILES)]


class FeatureStore:
    """Recordings in the order in which they were ingested; every column has one entry for each.

    Attributes:
        frames: (recordings,) feature frames.
        durations_s: (recordings,) seconds.
        ids, speakers, splits, texts: (recordings,) strings.
        mean, std: (n_mels,) float32 statistics over the train split.
    """

    def __init__(self, tables: Iterable[pa.Table], mean: NDArray[np.float32], std: NDArray[np.float32]) -> None:
        self.mean, self.std = mean, std
        self.n_mels = len(mean)
        found = _Index()
        for table in tables:
            _check_sizes(table, self.n_mels)
            found.add(table)
        self.frames: NDArray[np.int32] = _joined(found.frames, np.int32)
        self.durations_s: NDArray[np.float32] = _joined(found.durations_s, np.float32)
        self.splits, self.speakers = found.splits.column(), found.speakers.column()
        firsts = np.array(found.firsts, np.int64)
        self.ids, self.texts = (Stored(_Values(firsts, found.values[name], found.memory, np.int32), len(self))
                                for name in ("utterance", "text"))
        self._features = _Values(firsts, found.values["features"], found.memory, np.int64)

    @classmethod
    def open(cls, path: Path, files: Collection[str] | None = None) -> FeatureStore:
        """Map the features that the featurize stage wrote.

        Args:
            path: their directory.
            files: names of those that are wanted, of :func:`feature_files`; the others need not be here. None opens
                all of them.

        Raises:
            ArtifactError: missing, truncated or altered files, or a recording whose bytes are not its frames.
        """
        everything = feature_files(path)
        wanted = everything if files is None else [name for name in everything if name in frozenset(files)]
        check_contents(path, may_lack=frozenset(everything) - frozenset(wanted))
        if not wanted:
            raise ArtifactError(name=str(path), rule="hold features", value="no file of them",
                                action="Run the featurize stage again.")
        mean, std = _statistics(path / STATISTICS)
        return cls((open_ipc_shard(path / name, FEATURES) for name in wanted), mean, std)

    @classmethod
    def open_shard(cls, shard: Path) -> FeatureStore:
        """:meth:`open` for one of its files."""
        mean, std = _statistics(shard.parent / STATISTICS)
        return cls([open_ipc_shard(shard, FEATURES)], mean, std)

    def __len__(self) -> int:
        return len(self.frames)

    def features(self, i: int) -> NDArray[np.float16]:
        """(frames, n_mels) float16 view of recording ``i``, read-only and without a copy."""
        return np.frombuffer(self._features.one(i), np.float16).reshape(-1, self.n_mels)

    def indices(self, *splits: str) -> NDArray[np.int64]:
        """Recordings of the given splits, in order."""
        return self.splits.where(splits)


class Strings(ABC):
    """A column of strings that are made when they are asked for; rows are given as numpy takes them."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _made(self, rows: Rows) -> Objects: ...

    @overload
    def __getitem__(self, rows: int | np.integer[Any]) -> str: ...

    @overload
    def __getitem__(self, rows: Rows | NDArray[np.bool_] | slice) -> Objects: ...

    def __getitem__(self, rows: int | np.integer[Any] | Rows | NDArray[np.bool_] | slice) -> str | Objects:
        if isinstance(rows, slice):
            return self._made(np.arange(*rows.indices(len(self))))
        if isinstance(rows, np.ndarray):
            return self._made(np.flatnonzero(rows) if rows.dtype == np.bool_ else cast("Rows", rows))
        return str(self._made(np.array([range(len(self))[rows]]))[0])

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), READ_AT_ONCE):
            yield from self[start:start + READ_AT_ONCE].tolist()

    def tolist(self) -> list[str]:
        """All of them."""
        return list(self)


class Coded(Strings):
    """Strings of which few are different, held as numbers in the order in which they first came.

    Args:
        codes: (rows,) the number of each row's.
        names: all of them.
    """

    def __init__(self, codes: Rows, names: pa.StringArray) -> None:
        self._codes, self._names = codes, names

    def __len__(self) -> int:
        return len(self._codes)

    def where(self, wanted: Iterable[str]) -> NDArray[np.int64]:
        """Rows that hold one of these, in order."""
        is_wanted = pc.is_in(self._names, value_set=pa.array([*wanted], pa.string())).to_numpy(zero_copy_only=False)
        return np.flatnonzero(is_wanted.astype(np.bool_)[self._codes])

    def _made(self, rows: Rows) -> Objects:
        made: Objects = self._names.take(pa.array(self._codes[rows])).to_numpy(zero_copy_only=False)
        return made


class Stored(Strings):
    """Strings that stay in the files."""

    def __init__(self, values: _Values, length: int) -> None:
        self._values, self._length = values, length

    def __len__(self) -> int:
        return self._length

    def _made(self, rows: Rows) -> Objects:
        made = np.empty(len(rows), object)
        made[:] = [str(content, "utf-8") for content in self._values.many(rows)]
        return made


class _Values:
    """Where the values of one column lie in memory, by the offsets that Arrow itself keeps of each record batch.

    Args:
        firsts: (batches,) the first row of each.
        addresses: of the batches' offsets, and of their values.
        memory: what has to stay for them to be there.
        offset_type: int32 or int64.
    """

    def __init__(self, firsts: NDArray[np.int64], addresses: list[tuple[int, int]], memory: object,
                 offset_type: type[np.int32 | np.int64]) -> None:
        self._firsts, self._memory = firsts, memory
        self._addresses = np.array(addresses, np.int64).reshape(-1, 2)
        self._type = np.dtype(offset_type)

    def one(self, row: int) -> pa.Buffer:
        """The bytes of one value, not copied."""
        batch = int(self._firsts.searchsorted(row, "right")) - 1
        start, stop = self._offsets(batch, row - int(self._firsts[batch]), 1).tolist()
        return self._content(batch, start, stop)

    def many(self, rows: Rows) -> Iterator[memoryview]:
        """The bytes of values; neighbours of one batch are read together."""
        batches = self._firsts.searchsorted(rows, "right") - 1
        ends = [0, *(np.flatnonzero(np.diff(batches)) + 1).tolist(), len(rows)] if len(rows) else []
        for begin, end in pairwise(ends):
            batch = int(batches[begin])
            yield from self._of_batch(batch, rows[begin:end] - self._firsts[batch])

    def _of_batch(self, batch: int, rows: Rows) -> Iterator[memoryview]:
        low, high = int(rows.min()), int(rows.max())
        offsets = self._offsets(batch, low, high + 1 - low)
        first = int(offsets[0])
        content = memoryview(self._content(batch, first, int(offsets[-1])))
        starts, stops = offsets[rows - low] - first, offsets[rows - low + 1] - first
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            yield content[start:stop]

    def _offsets(self, batch: int, row: int, rows: int) -> Rows:
        width = self._type.itemsize
        address = int(self._addresses[batch, 0]) + width * row
        return np.frombuffer(pa.foreign_buffer(address, width * (rows + 1), self._memory), self._type)

    def _content(self, batch: int, start: int, stop: int) -> pa.Buffer:
        return pa.foreign_buffer(int(self._addresses[batch, 1]) + start, stop - start, self._memory)


class _Codes:
    """Numbers strings as they come."""

    def __init__(self, number_type: type[np.int8 | np.int32]) -> None:
        self._type = number_type
        self._number_of: dict[str, int] = {}
        self._codes: list[Rows] = []

    def add(self, column: pa.ChunkedArray) -> None:
        encoded = column.combine_chunks().dictionary_encode()
        numbers = [self._number_of.setdefault(name, len(self._number_of)) for name in encoded.dictionary.to_pylist()]
        self._codes.append(np.array(numbers, self._type)[encoded.indices.to_numpy()])

    def column(self) -> Coded:
        return Coded(_joined(self._codes, self._type), pa.array([*self._number_of], pa.string()))


class _Index:
    """Collects what is held, file by file."""

    def __init__(self) -> None:
        self.frames: list[NDArray[np.int32]] = []
        self.durations_s: list[NDArray[np.float32]] = []
        self.splits, self.speakers = _Codes(np.int8), _Codes(np.int32)
        self.firsts: list[int] = []
        self.values: dict[str, list[tuple[int, int]]] = {name: [] for name in ("utterance", "text", "features")}
        self.memory: list[pa.Buffer] = []
        self._rows = 0

    def add(self, table: pa.Table) -> None:
        self.frames.append(table["frames"].to_numpy())
        self.durations_s.append(table["duration_s"].to_numpy())
        self.splits.add(table["split"])
        self.speakers.add(table["speaker"])
        for batch in table.select([*self.values]).to_batches():
            self.firsts.append(self._rows)
            self._rows += len(batch)
            for name, addresses in self.values.items():
                addresses.append(self._addresses(batch[name]))

    def _addresses(self, values: pa.StringArray | pa.LargeBinaryArray) -> tuple[int, int]:
        _, offsets, content = values.buffers()
        self._keep(offsets)
        width = 4 if pa.types.is_string(values.type) else 8
        if content is None:  # nothing but empty strings
            content = offsets
        self._keep(content)
        return offsets.address + width * values.offset, content.address

    def _keep(self, buffer: pa.Buffer) -> None:
        """Hold the memory that it is a part of: one mapping for all that comes out of a file."""
        if self.memory and self.memory[-1].address <= buffer.address < self.memory[-1].address + self.memory[-1].size:
            return
        while buffer.parent is not None:
            buffer = buffer.parent
        self.memory.append(buffer)


def _joined(parts: list[NDArray[Any]], of: type[np.generic]) -> NDArray[Any]:
    """One array of its own: parts of it may lie in files."""
    return np.concatenate([np.empty(0, of), *parts], dtype=of)


def _check_sizes(table: pa.Table, n_mels: int) -> None:
    sizes = pc.binary_length(table["features"]).to_numpy()
    frames = table["frames"].to_numpy()
    wrong = np.flatnonzero((sizes != 2 * frames.astype(np.int64) * n_mels) | (frames < 1))
    if len(wrong):
        i = int(wrong[0])
        raise ArtifactError(name=f"features of {table['utterance'][i]}", value=f"{sizes[i]} bytes",
                            rule=f"be {frames[i]} frames, at least 1, of {n_mels} float16 mel bands",
                            action="Run the featurize stage again.")


def _statistics(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    content = read_json(path)
    try:
        mean, std = (np.array(content[name], dtype=np.float32) for name in ("mean", "std"))
    except (KeyError, TypeError, ValueError) as error:
        raise _altered(path, f"{type(error).__name__}: {error}") from error
    usable = mean.ndim == 1 and mean.size and mean.shape == std.shape and np.isfinite(mean).all() and (std > 0).all()
    if not usable:
        raise _altered(path, f"mean of shape {mean.shape} and std of shape {std.shape}")
    return mean, std


def _altered(path: Path, value: str) -> ArtifactError:
    return ArtifactError(name=str(path), rule="hold a finite mean and a positive std for each mel band", value=value,
                         action="Run the featurize stage again.")
