"""Hypotheses of a set of recordings, and what decoding them cost."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.schemas import HYPOTHESES
from evenvoice.decoding.greedy import transcribe_labels
from evenvoice.metrics.wer import count_edits
from evenvoice.models.compute import macs_per_audio_s
from evenvoice.models.recogniser import Recogniser
from evenvoice.params import Transcribe
from evenvoice.progress import Progress


@dataclass(frozen=True)
class Transcription:
    """HYPOTHESES rows and the figures of compute.json."""

    table: pa.Table
    compute: dict[str, object]


def transcribe_recordings(recogniser: Recogniser, store: FeatureStore, indices: NDArray[np.int64], settings: Transcribe,
                          progress: Progress) -> Transcription:
    """Decode recordings greedily and count the edits to their references."""
    progress.total, progress.unit = len(indices), "recording"
    started_at = time.monotonic()
    labels = transcribe_labels(recogniser, [store.features(int(i)) for i in indices], settings.max_symbols_per_frame,
                               batch_s=settings.batch_s, progress=progress)
    decode_s = time.monotonic() - started_at
    rows = [_row(store, int(i), recogniser.tokenizer.decode(found)) for i, found in zip(indices, labels, strict=True)]
    audio_s = float(store.durations_s[indices].sum(dtype=np.float64))
    compute = _compute(recogniser, labels=sum(map(len, labels)), audio_s=audio_s)
    progress.measured(seconds=decode_s, audio_s_per_s=audio_s / max(decode_s, 1e-9))
    return Transcription(pa.Table.from_pylist(rows, schema=HYPOTHESES), compute)


def _row(store: FeatureStore, i: int, hypothesis: str) -> dict[str, object]:
    edits = count_edits(store.texts[i], hypothesis)
    return {"utterance": store.ids[i], "speaker": store.speakers[i], "split": store.splits[i],
            "reference": store.texts[i], "hypothesis": hypothesis, "words": edits.words,
            "substitutions": edits.substitutions, "deletions": edits.deletions, "insertions": edits.insertions,
            "duration_s": float(store.durations_s[i])}


def _compute(recogniser: Recogniser, *, labels: int, audio_s: float) -> dict[str, object]:
    seconds = max(audio_s, 1e-9)
    macs = macs_per_audio_s(recogniser.transducer, frames_per_s=1 / recogniser.frame_s, labels_per_s=labels / seconds)
    return {"macs_per_audio_s": {"encoder": macs.encoder, "predictor": macs.predictor, "joiner": macs.joiner,
                                 "total": macs.total},
            "labels_per_audio_s": labels / seconds, "parameters": recogniser.transducer.parameter_count,
            "audio_seconds": audio_s, "frame_ms": recogniser.frame_s * 1000}
