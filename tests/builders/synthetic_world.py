"""Small synthetic worlds."""

from __future__ import annotations

from collections.abc import Mapping

from evenvoice.data.corpora.synthetic import SyntheticCorpus
from evenvoice.data.corpora.synthetic.acoustics import Scene
from evenvoice.params import Cause, Place, Synthetic


def world_of(*, speakers: int = 24, seed: int = 7, difficulty: float = 1.0, cause: Cause = "accent",
             disparity: float = 1.0, collect: Mapping[Place, int] | None = None, train_utterances: int = 2,
             other_utterances: int = 1, sample_rate: int = 16_000) -> SyntheticCorpus:
    """A corpus small enough to speak in a test."""
    settings = Synthetic(speakers=speakers, train_utterances=train_utterances, other_utterances=other_utterances,
                         difficulty=difficulty, cause=cause, disparity=disparity, collect=dict(collect or {}))
    return SyntheticCorpus(settings, sample_rate=sample_rate, seed=seed)


def scene(*, noise: str = "pink", snr_db: float = float("inf"), rt60_s: float = 0.0,
          direct_to_reverberant_db: float = float("inf"), low_hz: float = 60.0, high_hz: float = 7800.0,
          level_dbfs: float = -26.0, lead_s: float = 0.0, tail_s: float = 0.0) -> Scene:
    """A quiet, dry place, but for what a test names."""
    return Scene(noise=noise, snr_db=snr_db, rt60_s=rt60_s, direct_to_reverberant_db=direct_to_reverberant_db,
                 low_hz=low_hz, high_hz=high_hz, level_dbfs=level_dbfs, lead_s=lead_s, tail_s=tail_s)
