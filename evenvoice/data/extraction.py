"""Features of a whole corpus: audio in Parquet shards in, float16 log-mel in Arrow shards out.

Each Parquet shard is worked on by itself, in any process, and the results are put together in their order. Within it
threads share the work by batches of rows, since transforms and matrix products let go of the interpreter; rows come
out in the order they went in. Each recording is computed by itself. So the same corpus gives the same bytes however
many processes and threads there are, and a recording the same features whatever stands beside it.

Letters: F frames, M mel bands, T samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from evenvoice.data.audio import decode, wav_samples
from evenvoice.data.feature_store import STATISTICS
from evenvoice.data.features import LogMel
from evenvoice.data.pieces import Pieces, Shard, in_order, take
from evenvoice.data.schemas import FEATURES, UTTERANCES
from evenvoice.data.tables import count_rows, iterate_batches, parquet_shards, write_ipc_shards
from evenvoice.errors import ArtifactError, RecordingRejected
from evenvoice.origins import write_contents
from evenvoice.params import Featurize
from evenvoice.progress import Progress
from evenvoice.storage import cores, fresh_directory, read_json, write_json

LEAST_STD = 0.1
"""In nats. A band in which nothing ever happened, as above 4 kHz in telephone speech, must not be blown up."""
SUMS = "sums.json"
"""Beside the features of a piece: its part of the statistics."""
KEPT = ["utterance", "speaker", "split", "text", "duration_s"]
ROWS_AT_ONCE = 32
"""Recordings worked on together: a few tens of megabytes where each is as long as ingest lets through by default."""


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
        for shard, piece in pieces.find_each(shards):
            if piece is None:
                statistics.include(_extract_shard(shard, draft, log_mel, settings.shard_mb, progress))
            else:
                take(piece, "*.arrow", draft)
                statistics.include(_Statistics.read(piece / SUMS))
                progress.advance(count_rows(shard))
        write_json(draft / STATISTICS, statistics.summary())
        write_contents(draft)


def extract_pieces(*, corpus: Path, share: Shard, settings: Featurize, sample_rate: int, progress: Progress,
                   pieces: Pieces) -> None:
    """Work on a share of the files of ``corpus`` for an :func:`extract` that comes later.

    Raises:
        ArtifactError: audio that does not decode to what its row says.
        ParamsError: bands or a hop that do not fit the sample rate.
    """
    log_mel = LogMel(settings, sample_rate)
    shards = share.units(corpus)
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
    batches = iterate_batches(shard, UTTERANCES, [*KEPT, "audio"], ROWS_AT_ONCE)
    # matrix products must not start threads of their own within each of ours
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores()) as threads:
        extracted = in_order(threads, lambda batch: _extract(batch, log_mel), batches, ahead=2 * cores())
        write_ipc_shards(out, stem, FEATURES, _counted(extracted, statistics, progress), shard_mb, "features")
    return statistics


def _extract(batch: pa.RecordBatch, log_mel: LogMel) -> tuple[pa.RecordBatch, _Statistics]:
    """The rows of FEATURES for rows of UTTERANCES, and the sums over those of the train split."""
    features = [log_mel(read_samples(batch, row, log_mel.sample_rate)) for row in range(len(batch))]
    statistics = _Statistics.empty(log_mel.n_mels)
    for row, (features_FM, split) in enumerate(zip(features, batch["split"].to_pylist(), strict=True)):
        if not np.isfinite(features_FM).all():
            raise _altered(_name(batch, row), "be finite", "NaN or infinity")
        if split == "train":
            statistics.add(features_FM)
    frames = np.array([len(features_FM) for features_FM in features], np.int32)
    content = _halves(features, log_mel.n_mels)
    columns = [*(batch[name] for name in KEPT), pa.array(frames), content]
    return pa.RecordBatch.from_arrays(columns, schema=FEATURES), statistics


def _halves(features: Sequence[NDArray[np.float32]], n_mels: int) -> pa.LargeBinaryArray:
    """Each recording's features as the bytes of float16."""
    ends = np.cumsum([0, *(len(features_FM) for features_FM in features)])
    content_FM = np.empty((ends[-1], n_mels), np.float16)
    for start, features_FM in zip(ends.tolist(), features, strict=False):
        content_FM[start:start + len(features_FM)] = features_FM
    offsets = (2 * n_mels * ends).astype(np.int64)
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(features),
                                            [None, pa.py_buffer(offsets), pa.py_buffer(content_FM)])


def read_samples(batch: pa.RecordBatch, row: int, sample_rate: int) -> NDArray[np.float32]:
    """Samples (T,) of one recording, taken as they lie where ingest wrote them, decoded where they are anything else.

    Args:
        batch: rows of UTTERANCES with at least utterance, duration_s and audio.
        row: which of them.
        sample_rate: that ingest wrote, in Hz.

    Raises:
        ArtifactError: the audio is not what its row says.
    """
    content = memoryview(batch["audio"][row].as_buffer())
    if (plain_T := wav_samples(content, sample_rate)) is None:
        samples_T = _decoded(content, _name(batch, row), sample_rate)
    else:
        samples_T = plain_T.astype(np.float32)
        samples_T *= np.float32(2**-15)
    duration_s, declared_s = len(samples_T) / sample_rate, batch["duration_s"][row].as_py()
    if not math.isclose(duration_s, declared_s, rel_tol=1e-3, abs_tol=0.01):
        raise _altered(_name(batch, row), f"last {declared_s:.2f} s", f"{duration_s:.2f} s")
    return samples_T


def _decoded(content: memoryview, name: str, sample_rate: int) -> NDArray[np.float32]:
    try:
        waveform = decode(content, name=name, max_duration_s=math.inf)
    except RecordingRejected as error:
        raise _altered(name, error.rule, error.value) from error
    if waveform.rate != sample_rate:
        raise _altered(name, f"be sampled at {sample_rate} Hz", f"{waveform.rate} Hz")
    return waveform.samples


def _name(batch: pa.RecordBatch, row: int) -> str:
    return str(batch["utterance"][row])


def _altered(name: str, rule: str, value: object) -> ArtifactError:
    return ArtifactError(name=f"audio of {name}", rule=rule, value=value,
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


def _counted(extracted: Iterable[tuple[pa.RecordBatch, _Statistics]], statistics: _Statistics,
             progress: Progress) -> Iterator[pa.RecordBatch]:
    for batch, part in extracted:
        statistics.include(part)
        yield batch
        progress.advance(len(batch))
