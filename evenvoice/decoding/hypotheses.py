"""Hypotheses of a set of recordings, and what decoding them cost.

Each file of the feature store is decoded by itself, in any process: who shares a batch depends on the file alone, so
the hypotheses do not depend on how many processes there are.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.pieces import Pieces, Shard
from evenvoice.data.schemas import FEATURES, HYPOTHESES, WORK
from evenvoice.data.tables import ipc_shards, open_ipc_shard, read_table, write_table
from evenvoice.decoding.greedy import transcribe_labels
from evenvoice.decoding.work import WorkMeter
from evenvoice.metrics.wer import count_edits
from evenvoice.models.compute import macs_per_audio_s
from evenvoice.models.placement import Placement
from evenvoice.models.recogniser import Recogniser
from evenvoice.origins import WORKED
from evenvoice.params import Transcribe
from evenvoice.progress import Progress
from evenvoice.storage import read_json, write_json

TABLE = "hypotheses.parquet"
TOTALS = "totals.json"


@dataclass(frozen=True)
class Transcription:
    """HYPOTHESES rows, and what was counted on the way; WORK rows of the same recordings, where gates decide on it."""

    table: pa.Table
    work: pa.Table | None
    labels: int
    audio_s: float

    @classmethod
    def joined(cls, parts: Sequence[Transcription]) -> Transcription:
        """One after another."""
        work = [part.work for part in parts if part.work is not None]
        return cls(pa.concat_tables([part.table for part in parts]), pa.concat_tables(work) if work else None,
                   sum(part.labels for part in parts), sum(part.audio_s for part in parts))

    def write(self, directory: Path) -> None:
        """Write a piece."""
        self.write_tables(directory)
        write_json(directory / TOTALS, {"labels": self.labels, "audio_s": self.audio_s})

    def write_tables(self, directory: Path) -> None:
        """Write what is known of each recording."""
        write_table(directory / TABLE, self.table)
        if self.work is not None:
            write_table(directory / WORKED, self.work)

    @classmethod
    def read(cls, directory: Path) -> Transcription:
        """Read a piece."""
        totals = read_json(directory / TOTALS)
        work = read_table(directory / WORKED, WORK) if (directory / WORKED).exists() else None
        return cls(read_table(directory / TABLE, HYPOTHESES), work, totals["labels"], totals["audio_s"])


@dataclass(frozen=True)
class Transcriber:
    """A recogniser, how it is to decode, and what it is told of the speakers, if it is told anything."""

    recogniser: Recogniser
    settings: Transcribe
    splits: tuple[str, ...]
    progress: Progress
    placement: Placement | None = None

    def transcribe(self, features: Path, pieces: Pieces) -> Transcription:
        """Decode the recordings of a whole feature store, and take over what pieces there are.

        Raises:
            ArtifactError: features that are missing or altered.
        """
        shards = self._counted(ipc_shards(features))
        parts = []
        for shard, piece in pieces.find_each(shards):
            if piece is None:
                parts.append(self._transcribe_shard(shard))
            else:
                parts.append(Transcription.read(piece))
                self.progress.advance(parts[-1].table.num_rows)
        return Transcription.joined(parts)

    def transcribe_pieces(self, features: Path, pieces: Pieces, share: Shard) -> None:
        """Decode a share of the files for a :meth:`transcribe` that comes later.

        Raises:
            ArtifactError: features that are missing or altered.
        """
        for shard in self._counted(share.units(features)):
            if (piece := pieces.find(shard)) is None:
                with pieces.writing(shard) as draft:
                    self._transcribe_shard(shard).write(draft)
            else:
                self.progress.advance(Transcription.read(piece).table.num_rows)

    def _counted(self, shards: Sequence[Path]) -> Sequence[Path]:
        """The files, once it is known how many recordings there are to decode."""
        self.progress.unit = "recording"
        wanted = pa.array(self.splits, pa.string())
        self.progress.total = sum(pc.sum(pc.is_in(open_ipc_shard(shard, FEATURES)["split"], value_set=wanted),
                                         min_count=0).as_py() for shard in shards)
        return shards

    def _transcribe_shard(self, shard: Path) -> Transcription:
        store = FeatureStore.open_shard(shard)
        return transcribe_recordings(self.recogniser, store, store.indices(*self.splits), self.settings, self.progress,
                                     self.placement)


def transcribe_recordings(recogniser: Recogniser, store: FeatureStore, indices: NDArray[np.int64], settings: Transcribe,
                          progress: Progress, placement: Placement | None = None) -> Transcription:
    """Decode recordings greedily and count the edits to their references.

    A model with a cohort input is told what ``placement`` says of each speaker, or without one that it is not known.
    """
    started_at = time.monotonic()
    meter = WorkMeter(len(indices)) if recogniser.is_gated else None
    labels = transcribe_labels(recogniser, [store.features(int(i)) for i in indices],
                               batch_s=settings.batch_s, progress=progress, meter=meter,
                               cohorts=_cohorts(recogniser, store, indices, placement))
    decode_s = time.monotonic() - started_at
    rows = [_row(store, int(i), recogniser.tokenizer.decode(found)) for i, found in zip(indices, labels, strict=True)]
    audio_s = float(store.durations_s[indices].sum(dtype=np.float64))
    progress.measured(seconds=decode_s, audio_s_per_s=audio_s / max(decode_s, 1e-9))
    return Transcription(pa.Table.from_pylist(rows, schema=HYPOTHESES), meter and _worked(rows, meter),
                         sum(map(len, labels)), audio_s)


def _worked(rows: Sequence[dict[str, object]], meter: WorkMeter) -> pa.Table:
    return pa.Table.from_pylist([{**{name: row[name] for name in ("utterance", "speaker", "split")}, **done._asdict()}
                                 for row, done in zip(rows, meter.done, strict=True)], schema=WORK)


def _cohorts(recogniser: Recogniser, store: FeatureStore, indices: NDArray[np.int64],
             placement: Placement | None) -> list[int] | None:
    if recogniser.cohorts is None or placement is None:
        return None
    return [int(number) for number in placement.numbers(recogniser.cohorts, store, indices)]


def compute_of(recogniser: Recogniser, transcription: Transcription) -> dict[str, object]:
    """The figures of compute.json: work and labels per second of audio; with gates, what they let through."""
    seconds = max(transcription.audio_s, 1e-9)
    labels_per_s = transcription.labels / seconds
    executed = None if transcription.work is None else executed_shares(transcription.work)
    macs = macs_per_audio_s(recogniser.transducer, frames_per_s=1 / recogniser.frame_s, labels_per_s=labels_per_s,
                            executed_share=None if executed is None else executed["encoder"])
    return {**({} if executed is None else {"executed_share": executed}),
            "macs_per_audio_s": {"encoder": macs.encoder, "predictor": macs.predictor, "joiner": macs.joiner,
                                 "total": macs.total},
            "labels_per_audio_s": labels_per_s, "parameters": recogniser.transducer.parameter_count,
            "audio_seconds": transcription.audio_s, "frame_ms": recogniser.frame_s * 1000,
            "lookahead_ms": recogniser.lookahead_s * 1000}


def executed_shares(work: pa.Table) -> dict[str, float | None]:
    """Share of the encoder's work without gates that was done: of all frames, of speech, of silence; None of none."""
    executed, dense, executed_silent, dense_silent = (
        pc.sum(work[name]).as_py() or 0.0 for name in ("executed", "dense", "executed_in_silence", "dense_in_silence"))
    return {"encoder": _share(executed, dense), "speech": _share(executed - executed_silent, dense - dense_silent),
            "silence": _share(executed_silent, dense_silent)}


def _share(executed: float, dense: float) -> float | None:
    return executed / dense if dense else None


def _row(store: FeatureStore, i: int, hypothesis: str) -> dict[str, object]:
    edits = count_edits(store.texts[i], hypothesis)
    return {"utterance": store.ids[i], "speaker": store.speakers[i], "split": store.splits[i],
            "reference": store.texts[i], "hypothesis": hypothesis, "words": edits.words,
            "substitutions": edits.substitutions, "deletions": edits.deletions, "insertions": edits.insertions,
            "duration_s": float(store.durations_s[i])}
