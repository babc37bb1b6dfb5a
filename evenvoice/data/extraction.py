"""Features of a whole corpus: FLAC in Parquet shards in, float16 log-mel in Arrow shards out.

Each Parquet shard is worked on by itself, in any process, and the results are put together in their order. Within it
threads share the work, since decoding, transforms and matrix products all let go of the interpreter; rows come out in
the order they went in. So the same corpus gives the same bytes however many processes and threads there are.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.audio import decode
from evenvoice.data.feature_store import STATISTICS
from evenvoice.data.features import LogMel
from evenvoice.data.pieces import Pieces, Shard, take
from evenvoice.data.schemas import FEATURES, UTTERANCES
from evenvoice.data.tables import count_rows, iterate_rows, parquet_shards, write_ipc_shards
from evenvoice.errors import ArtifactError, RecordingRejected
from evenvoice.params import Featurize
from evenvoice.progress import Progress
from evenvoice.storage import fresh_directory, read_json, write_json

LEAST_STD = 0.1
"""In nats. A band in which nothing ever happened, as above 4 kHz in telephone speech, must not be blown up."""
SUMS = "sums.json"
"""Beside the features of a piece: its part of the statistics."""
COLUMNS = ["utterance", "speaker", "split", "text", "duration_s", "audio"]

Row = dict[str, Any]
S = TypeVar("S")
T = TypeVar("T")


def extract(*, corpus: Path, out: Path, settings: Featurize, sample_rate: int, progress: Progress,
            pieces: Pieces) -> None:
    """Write the features of every recording of ``corpus``, and their statistics over the train split, to ``out``.

    Raises:
        ArtifactError: audio that does not decode to what its row says, or no training recording.
        ParamsError: bands or a hop that do not fit the sample rate.
    """
    log_mel = LogMel(settings, sample_rate)
    shards = parquet_shards(corpus / "utterances")
    progress.total = sum(map(count_rows, shards))
    statistics = _Statistics.empty(settings.n_mels)
    with fresh_directory(out) as draft:
        for shard in shards:
            if (piece := pieces.find(shard)) is None:
                statistics.include(_extract_shard(shard, draft, log_mel, settings.shard_mb, progress))
            else:
                take(piece, "*.arrow", draft)
                statistics.include(_Statistics.read(piece / SUMS))
                progress.advance(count_rows(shard))
        write_json(draft / STATISTICS, statistics.summary())


def extract_pieces(*, corpus: Path, share: Shard, settings: Featurize, sample_rate: int, progress: Progress,
                   pieces: Pieces) -> None:
    """Work on a share of the files of ``corpus`` for an :func:`extract` that comes later.

    Raises:
        ArtifactError: audio that does not decode to what its row says.
        ParamsError: bands or a hop that do not fit the sample rate.
    """
    log_mel = LogMel(settings, sample_rate)
    shards = share.of(parquet_shards(corpus / "utterances"))
    progress.total = sum(map(count_rows, shards))
    for shard in shards:
        if pieces.find(shard) is None:
            with pieces.writing(shard) as draft:
                _extract_shard(shard, draft, log_mel, settings.shard_mb, progress).write(draft / SUMS)
        else:
            progress.advance(count_rows(shard))


def _extract_shard(shard: Path, out: Path, log_mel: LogMel, shard_mb: int, progress: Progress) -> _Statistics:
    """Write the features of one file under names that sort as the files do; return the sums over its train split."""
    statistics = _Statistics.empty(log_mel.n_mels)
    stem = shard.stem.replace("utterances", "features")
    with ThreadPoolExecutor(_cores()) as threads:
        extracted = _in_order(threads, lambda row: _extract(row, log_mel),
                              iterate_rows(shard, UTTERANCES, COLUMNS), ahead=4 * _cores())
        rows = progress.over(_counted(extracted, statistics))
        write_ipc_shards(out, stem, FEATURES, rows, shard_mb, "features")
    return statistics


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_order(threads: ThreadPoolExecutor, work: Callable[[S], T], items: Iterable[S], ahead: int) -> Iterator[T]:
    """Map with at most ``ahead`` items under way, so memory stays flat."""
    running: deque[Future[T]] = deque()
    try:
        for item in items:
            running.append(threads.submit(work, item))
            if len(running) >= ahead:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()


def _extract(row: Row, log_mel: LogMel) -> tuple[Row, NDArray[np.float32]]:
    features_FM = log_mel(_samples(row, log_mel.sample_rate))
    if not np.isfinite(features_FM).all():
        raise _altered(row, "be finite", "NaN or infinity")
    kept = {name: row[name] for name in COLUMNS if name != "audio"}
    content = features_FM.astype(np.float16).tobytes()
    return {**kept, "frames": len(features_FM), "features": content}, features_FM


def _samples(row: Row, sample_rate: int) -> NDArray[np.float32]:
    try:
        waveform = decode(row["audio"], name=row["utterance"], max_duration_s=math.inf)
    except RecordingRejected as error:
        raise _altered(row, error.rule, error.value) from error
    if waveform.rate != sample_rate:
        raise _altered(row, f"be sampled at {sample_rate} Hz", f"{waveform.rate} Hz")
    if not math.isclose(waveform.duration_s, row["duration_s"], rel_tol=1e-3, abs_tol=0.01):
        raise _altered(row, f"last {row['duration_s']:.2f} s", f"{waveform.duration_s:.2f} s")
    return waveform.samples


def _altered(row: Row, rule: str, value: object) -> ArtifactError:
    return ArtifactError(name=f"audio of {row['utterance']}", rule=rule, value=value,
                         action="It is not what ingest wrote: run the ingest stage again.")


@dataclass
class _Statistics:
    """Sums over training frames, in float64."""

    frames: int
    sum_M: NDArray[np.float64]
    squares_M: NDArray[np.float64]

    @classmethod
    def empty(cls, n_mels: int) -> _Statistics:
        return cls(frames=0, sum_M=np.zeros(n_mels), squares_M=np.zeros(n_mels))

    def add(self, features_FM: NDArray[np.float32]) -> None:
        self.frames += len(features_FM)
        self.sum_M += features_FM.sum(axis=0, dtype=np.float64)
        self.squares_M += np.square(features_FM, dtype=np.float64).sum(axis=0)

    def include(self, other: _Statistics) -> None:
        self.frames += other.frames
        self.sum_M += other.sum_M
        self.squares_M += other.squares_M

    def write(self, path: Path) -> None:
        """As JSON, which keeps every bit of a float."""
        write_json(path, {"frames": self.frames, "sum": self.sum_M.tolist(), "squares": self.squares_M.tolist()})

    @classmethod
    def read(cls, path: Path) -> _Statistics:
        content = read_json(path)
        return cls(content["frames"], np.array(content["sum"]), np.array(content["squares"]))

    def summary(self) -> dict[str, list[float]]:
        if self.frames == 0:
            raise ArtifactError(name="the train split", rule="have recordings", value="none",
                                action="Give it a share of the speakers (ingest.split.train).")
        mean_M = self.sum_M / self.frames
        std_M = np.sqrt(np.maximum(self.squares_M / self.frames - mean_M**2, LEAST_STD**2))
        return {"mean": mean_M.tolist(), "std": std_M.tolist()}


def _counted(extracted: Iterable[tuple[Row, NDArray[np.float32]]], statistics: _Statistics) -> Iterator[Row]:
    for row, features_FM in extracted:
        if row["split"] == "train":
            statistics.add(features_FM)
        yield row
