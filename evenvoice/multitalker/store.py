"""Mixtures with their turns, memory-mapped, as training and transcribing read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenvoice.data.schemas import MIXTURES
from evenvoice.data.tables import open_ipc_shards
from evenvoice.errors import ArtifactError
from evenvoice.multitalker.turns import Turn
from evenvoice.origins import check_contents


class MixtureStore:
    """Mixtures in the order of their files, and in each as they were made; every array has one entry for each.

    Attributes:
        frames: (mixtures,) log-mel frames.
        durations_s: (mixtures,) seconds.
        ids, splits: (mixtures,) strings.
        texts: (mixtures,) all that is known of the turns, as JSON: what a training depends on.
        turns: of each mixture, by start.
    """

    def __init__(self, table: pa.Table, n_mels: int) -> None:
        self.n_mels = n_mels
        self.frames: NDArray[np.int64] = table["frames"].to_numpy().astype(np.int64)
        self.durations_s: NDArray[np.float32] = table["duration_s"].to_numpy()
        self.ids, self.splits = (np.array(table[name].to_pylist(), dtype=object) for name in ("mixture", "split"))
        rows = table["turns"].to_pylist()
        self.turns = [tuple(_turn(row) for row in of_mixture) for of_mixture in rows]
        self.texts = np.array([json.dumps(of_mixture, sort_keys=True) for of_mixture in rows], dtype=object)
        self._features = table["features"]
        self._check_sizes()

    @classmethod
    def open(cls, path: Path, n_mels: int) -> MixtureStore:
        """Map what the mix stage wrote.

        Raises:
            ArtifactError: missing, truncated or altered files, or features of other mel bands.
        """
        check_contents(path)
        return cls(open_ipc_shards(path, MIXTURES), n_mels)

    def __len__(self) -> int:
        return len(self.frames)

    def features(self, i: int) -> NDArray[np.float16]:
        """(frames, n_mels) float16 view of mixture ``i``, read-only and without a copy."""
        return np.frombuffer(self._features[i].as_buffer(), np.float16).reshape(-1, self.n_mels)

    def indices(self, *splits: str) -> NDArray[np.int64]:
        """Mixtures of the given splits, in order."""
        return np.flatnonzero(np.isin(self.splits.astype(str), splits))

    def _check_sizes(self) -> None:
        for i, frames in enumerate(self.frames.tolist()):
            size = len(self._features[i].as_buffer())
            if size != 2 * frames * self.n_mels or frames < 1:
                raise ArtifactError(name=f"features of {self.ids[i]}", value=f"{size} bytes",
                                    rule=f"be {frames} frames, at least 1, of {self.n_mels} float16 mel bands",
                                    action="Run the mix stage again.")


def _turn(row: dict[str, Any]) -> Turn:
    return Turn(speaker=row["speaker"], start_s=row["start_s"], end_s=row["end_s"], text=row["text"],
                pauses=tuple((pause["start_s"], pause["end_s"]) for pause in row["pauses"]))
