"""Embeddings of recordings, and of speakers as the mean over their recordings.

Shapes: R recordings, S speakers, D embedding width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.lengths import stepped
from evenvoice.data.schemas import EMBEDDINGS
from evenvoice.data.tables import rows_table, write_table
from evenvoice.errors import TrainingError
from evenvoice.progress import Progress
from evenvoice.speakers.encoder import SpeakerEncoder, padded
from evenvoice.storage import fresh_directory


def embed(*, features: Path, model: Path, out: Path, batch_s: float, progress: Progress) -> None:
    """Write the unit-length mean embedding of every speaker and split to ``out``/embeddings.parquet.

    Raises:
        ArtifactError: an input is missing or broken.
        TrainingError: an embedding is not a number.
    """
    store = FeatureStore.open(features)
    encoder = SpeakerEncoder.load(model)
    embeddings_RD = embed_recordings(encoder, store, np.arange(len(store)), batch_s, progress)
    keys, means_SD = speaker_means(embeddings_RD, store.speakers, store.splits)
    rows: list[dict[str, object]] = [
        {"speaker": speaker, "split": split, "embedding": mean}
        for (speaker, split), mean in zip(keys, means_SD.tolist(), strict=True)]
    with fresh_directory(out) as draft:
        write_table(draft / "embeddings.parquet", rows_table(rows, EMBEDDINGS))


def embed_recordings(encoder: SpeakerEncoder, store: FeatureStore, indices: NDArray[np.int64], batch_s: float,
                     progress: Progress | None = None) -> NDArray[np.float32]:
    """Unit-length embedding (R, D) of each recording in ``indices``, in batches of about ``batch_s`` with padding.

    Raises:
        TrainingError: an embedding is not a number; the recording is named.
    """
    embeddings_RD = np.empty((len(indices), encoder.config.embedding), dtype=np.float32)
    if progress is not None:
        progress.total, progress.unit = len(indices), "recording"
    with torch.inference_mode():
        for rows, frames in batches(store, store.frames[indices], batch_s):
            heard = [store.features(int(index)) for index in indices[rows]]
            embeddings_RD[rows] = encoder(*padded(heard, frames)).numpy()
            if progress is not None:
                progress.advance(len(rows))
    _check_finite(embeddings_RD, store.ids[indices])
    return embeddings_RD


def embed_features(encoder: SpeakerEncoder, features_TM: NDArray[np.float16]) -> NDArray[np.float32]:
    """Unit-length embedding (D,) of one recording's log-mel features."""
    with torch.inference_mode():
        embedding_D: NDArray[np.float32] = encoder(*padded([features_TM])).numpy()[0]
    return embedding_D


def speaker_means(embeddings_RD: NDArray[np.float32], speakers_R: Iterable[str],
                  splits_R: Iterable[str]) -> tuple[list[tuple[str, str]], NDArray[np.float64]]:
    """Unit-length mean (S, D) per speaker and split, with these keys in order of appearance."""
    row_of: dict[tuple[str, str], int] = {}
    rows_R = [row_of.setdefault(key, len(row_of)) for key in zip(speakers_R, splits_R, strict=True)]
    sums_SD = np.zeros((len(row_of), embeddings_RD.shape[1]))
    np.add.at(sums_SD, rows_R, embeddings_RD)
    lengths_S1 = np.linalg.norm(sums_SD, axis=1, keepdims=True)
    return list(row_of), sums_SD / np.maximum(lengths_S1, np.finfo(np.float64).tiny)


def batches(store: FeatureStore, frames_R: NDArray[np.integer], batch_s: float
            ) -> Iterator[tuple[NDArray[np.intp], int]]:
    """Rows of like length together, and how many frames they are padded to: within ``batch_s`` seconds, or alone."""
    seconds = max(float(store.durations_s.sum(dtype=np.float64)), np.finfo(float).tiny)
    limit = batch_s * float(store.frames.sum(dtype=np.float64)) / seconds
    batch: list[int] = []
    longest = 0
    for row in np.argsort(frames_R, kind="stable").tolist():
        frames = stepped(int(frames_R[row]))
        if batch and frames * (len(batch) + 1) > limit:
            yield np.array(batch, dtype=np.intp), longest
            batch = []
        batch.append(row)
        longest = frames
    if batch:
        yield np.array(batch, dtype=np.intp), longest


def _check_finite(embeddings_RD: NDArray[np.float32], ids_R: NDArray[np.object_]) -> None:
    broken_R = ~np.isfinite(embeddings_RD).all(axis=1)
    if broken_R.any():
        raise TrainingError(name=f"embedding of recording {ids_R[int(broken_R.argmax())]}", rule="be finite numbers",
                            value="NaN or infinity", action="Run the stages featurize and train_speaker again.")
