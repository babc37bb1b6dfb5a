"""How much is measured: all of it on a GPU, or a little of everything, which a processor ends in a minute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Sizes of all parts."""

    name: str
    total_s: float
    """After so long no part begins, and the one that runs is ended."""
    budgets_s: dict[str, float]
    """Seconds of each part; its process's start is among them."""
    exact: tuple[str, ...]
    """Shapes (B, T, P, V) whose loss and gradients are compared with float64."""
    loss: tuple[str, ...]
    """Shapes (B, T, P, V) of which time and memory are measured."""
    joiner_width: int
    rounds: int
    models: tuple[str, ...]
    """Encoder and size."""
    batch_s: float
    steps: int
    """Of a turn of training."""
    turns: int
    automatic: tuple[str, ...]
    """Encoder and size that train with the batch that fits."""
    learner: str
    learning_steps: int
    learning_batch_s: float
    learning_speech_s: float
    streams: tuple[int, ...]
    chunks: int
    """Of each stream that are timed."""


FULL: Final = Scale(
    name="full", total_s=410.0,
    budgets_s={"correctness": 40, "loss": 60, "launches": 25, "learning": 60, "training": 130, "automatic": 60,
               "streams": 50, "together": 45},
    exact=("3,9,5,7", "8,125,60,32", "4,250,60,512", "2,500,100,1024"),
    loss=("16,125,60,32", "16,250,60,512", "8,500,100,1024", "16,500,140,1024"), joiner_width=512, rounds=5,
    models=("lstm 85M", "conformer 85M", "lstm 1.5M", "conformer 1.5M"), batch_s=800.0, steps=10, turns=2,
    automatic=("lstm 85M", "conformer 85M"), learner="lstm 1.5M", learning_steps=400, learning_batch_s=200.0,
    learning_speech_s=8000.0,
    streams=(64, 256, 1024), chunks=50)
TINY: Final = Scale(
    name="tiny", total_s=1200.0, budgets_s=dict.fromkeys(FULL.budgets_s, 600.0), exact=("3,9,5,7",),
    loss=("2,6,4,7", "3,9,5,7"), joiner_width=8, rounds=1, models=("lstm tiny", "conformer tiny"), batch_s=20.0,
    steps=1, turns=1, automatic=("lstm tiny",), learner="lstm tiny", learning_steps=2, learning_batch_s=20.0,
    learning_speech_s=60.0, streams=(2,), chunks=2)
SCALES: Final = {scale.name: scale for scale in (FULL, TINY)}
