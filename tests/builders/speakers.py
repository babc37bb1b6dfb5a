"""Feature stores in which each speaker has a spectrum of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.schemas import FEATURES
from evenvoice.origins import write_contents
from evenvoice.storage import write_json
from tests.builders.ipc import write_rows

HOP_S = 0.01


def write_voices(path: Path, *, speakers: dict[str, int], recordings: int = 4, n_mels: int = 12, frames: int = 60,
                 seed: int = 0) -> Path:
    """Write features of ``speakers`` per split, ``recordings`` each, of about ``frames`` frames.

    A recording is its speaker's constant spectrum plus noise of the same strength.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for split, count in speakers.items():
        for number in range(count):
            spectrum = rng.normal(0, 1, n_mels)
            for recording in range(recordings):
                length = int(rng.integers(frames // 2, frames + frames // 2))
                features = (spectrum + rng.normal(0, 1, (length, n_mels))).astype(np.float16)
                rows.append({"utterance": f"{split}-{number}-{recording}", "speaker": f"{split}-{number}",
                             "split": split, "text": "yes", "duration_s": length * HOP_S, "frames": length,
                             "features": features.tobytes()})
    path.mkdir(parents=True, exist_ok=True)
    write_rows(path, "features", FEATURES, rows)
    write_json(path / "statistics.json", {"mean": [0.0] * n_mels, "std": [1.0] * n_mels})
    write_contents(path)
    return path


def open_voices(path: Path, **settings: object) -> FeatureStore:
    """:func:`write_voices`, opened."""
    return FeatureStore.open(write_voices(path, **settings))  # type: ignore[arg-type]
