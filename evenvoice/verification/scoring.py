"""Trials of every split that is not trained on, scored by one verifier.

Tensor names: G segment, N trial, D embedding width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.schemas import HEARD, SPEAKERS, TRIALS, UTTERANCES
from evenvoice.data.tables import read_table, write_table
from evenvoice.errors import TrainingError
from evenvoice.origins import features_digest, model_digest
from evenvoice.params import Verify
from evenvoice.progress import Progress
from evenvoice.speakers.embedding import batches
from evenvoice.speakers.encoder import SpeakerEncoder, padded
from evenvoice.storage import fresh_directory, write_json
from evenvoice.verification.trials import Segments, make_trials, segments_of


def score_trials(*, features: Path, corpus: Path, model: Path, out: Path, settings: Verify, hop_ms: float, seed: int,
                 progress: Progress) -> None:
    """Write trials.parquet and origin.json to ``out``; embeddings are written nowhere.

    Raises:
        ArtifactError: an input is missing or broken.
        CorpusError: a split has fewer than two speakers, or nobody with two recordings.
        TrainingError: an embedding is not a number.
    """
    store, encoder = FeatureStore.open(features), SpeakerEncoder.load(model)
    genders, sessions = _genders(corpus), _sessions(corpus)
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in TRIALS.names}
    drawn = {}
    for split in HEARD:
        segments = segments_of(store, split, cut_frames=round(settings.cut_s * 1000 / hop_ms),
                               most_speakers=settings.most_speakers, seed=seed, sessions=sessions)
        trials = make_trials(segments, [genders.get((name, split)) for name in segments.names], settings, split=split,
                             seed=seed)
        drawn[split] = (segments, trials)
    progress.total, progress.unit = sum(len(segments) for segments, _ in drawn.values()), "recording"
    for split, (segments, trials) in drawn.items():
        embeddings_GD = embed_segments(encoder, store, segments, settings.batch_s, progress)
        names = np.array(segments.names, dtype=object)
        scores_N = np.einsum("nd,nd->n", embeddings_GD[trials.first], embeddings_GD[trials.second])
        for name, values in (("split", np.full(len(trials), split, dtype=object)), ("score", scores_N),
                             ("first_speaker", names[segments.speakers[trials.first]]),
                             ("second_speaker", names[segments.speakers[trials.second]]),
                             ("condition", trials.condition)):
            columns[name].append(values)
    table = pa.table({name: np.concatenate(parts) for name, parts in columns.items()}, schema=TRIALS)
    with fresh_directory(out) as draft:
        write_table(draft / "trials.parquet", table)
        write_json(draft / "origin.json", {"model": model_digest(model), "features": features_digest(features)})


def embed_segments(encoder: SpeakerEncoder, store: FeatureStore, segments: Segments, batch_s: float,
                   progress: Progress) -> NDArray[np.float32]:
    """Unit-length embedding (G, D) of each segment.

    Raises:
        TrainingError: an embedding is not a number; the recording is named.
    """
    embeddings_GD = np.empty((len(segments), encoder.config.embedding), dtype=np.float32)
    with torch.inference_mode():
        for rows, frames in batches(store, segments.stops - segments.starts, batch_s):
            heard = [store.features(int(segments.recordings[row]))[segments.starts[row]:segments.stops[row]]
                     for row in rows]
            embeddings_GD[rows] = encoder(*padded(heard, frames)).numpy()
            progress.advance(len(rows))
    broken_G = ~np.isfinite(embeddings_GD).all(axis=1)
    if broken_G.any():
        raise TrainingError(name=f"embedding of recording {store.ids[segments.recordings[int(broken_G.argmax())]]}",
                            rule="be finite numbers", value="NaN or infinity",
                            action="Run the stages featurize and train_speaker again.")
    return embeddings_GD


def _sessions(corpus: Path) -> dict[str, str | None]:
    rows = read_table(corpus / "utterances", UTTERANCES, ["utterance", "session"])
    return dict(zip(rows["utterance"].to_pylist(), rows["session"].to_pylist(), strict=True))


def _genders(corpus: Path) -> dict[tuple[str, str], str | None]:
    rows = read_table(corpus / "speakers.parquet", SPEAKERS, ["speaker", "split", "gender"]).to_pylist()
    return {(row["speaker"], row["split"]): row["gender"] for row in rows}
