"""Features of a corpus, memory-mapped: opening is instant, and a recording's frames are read where they lie."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenvoice.data.schemas import FEATURES
from evenvoice.data.tables import open_ipc_shard, open_ipc_shards
from evenvoice.errors import ArtifactError
from evenvoice.origins import check_contents
from evenvoice.storage import read_json

Strings = NDArray[np.object_]
STATISTICS = "statistics.json"
"""Mean and standard deviation of each mel band over the frames of the train split."""


class FeatureStore:
    """Recordings in the order in which they were ingested; every array has one entry for each.

    Attributes:
        frames: (recordings,) feature frames.
        durations_s: (recordings,) seconds.
        ids, speakers, splits, texts: (recordings,) strings.
        mean, std: (n_mels,) float32 statistics over the train split.
    """

    def __init__(self, table: pa.Table, mean: NDArray[np.float32], std: NDArray[np.float32]) -> None:
        self.mean, self.std = mean, std
        self.n_mels = len(mean)
        self.frames: NDArray[np.int64] = table["frames"].to_numpy().astype(np.int64)
        self.durations_s: NDArray[np.float32] = table["duration_s"].to_numpy()
        self.ids, self.speakers = _strings(table, "utterance"), _strings(table, "speaker")
        self.splits, self.texts = _strings(table, "split"), _strings(table, "text")
        self._content = [value for chunk in table["features"].chunks for value in _values(chunk)]
        self._check_sizes()

    @classmethod
    def open(cls, path: Path) -> FeatureStore:
        """Map the features that the featurize stage wrote.

        Raises:
            ArtifactError: missing, truncated or altered files, or a recording whose bytes are not its frames.
        """
        check_contents(path)
        mean, std = _statistics(path / STATISTICS)
        return cls(open_ipc_shards(path, FEATURES), mean, std)

    @classmethod
    def open_shard(cls, shard: Path) -> FeatureStore:
        """:meth:`open` for one of its files."""
        mean, std = _statistics(shard.parent / STATISTICS)
        return cls(open_ipc_shard(shard, FEATURES), mean, std)

    def __len__(self) -> int:
        return len(self.frames)

    def features(self, i: int) -> NDArray[np.float16]:
        """(frames, n_mels) float16 view of recording ``i``, read-only and without a copy."""
        return self._content[i].view(np.float16).reshape(-1, self.n_mels)

    def indices(self, *splits: str) -> NDArray[np.int64]:
        """Recordings of the given splits, in order."""
        return np.flatnonzero(np.isin(self.splits.astype(str), splits))

    def _check_sizes(self) -> None:
        sizes = np.array([len(content) for content in self._content], dtype=np.int64)
        wrong = np.flatnonzero((sizes != 2 * self.frames * self.n_mels) | (self.frames < 1))
        if len(wrong):
            i = int(wrong[0])
            raise ArtifactError(name=f"features of {self.ids[i]}", value=f"{sizes[i]} bytes",
                                rule=f"be {self.frames[i]} frames, at least 1, of {self.n_mels} float16 mel bands",
                                action="Run the featurize stage again.")


def _strings(table: pa.Table, column: str) -> Strings:
    strings: Strings = table[column].to_numpy()
    return strings


def _values(chunk: pa.LargeBinaryArray) -> list[NDArray[np.uint8]]:
    """The bytes of each value where they lie, by the chunk's own offsets rather than through Arrow scalars."""
    if len(chunk) == 0:
        return []
    _, offsets_buffer, data_buffer = chunk.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64)[chunk.offset:chunk.offset + len(chunk) + 1].tolist()
    data = np.frombuffer(data_buffer, np.uint8)
    return [data[start:stop] for start, stop in pairwise(offsets)]


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
