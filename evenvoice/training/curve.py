"""What a training leaves behind besides weights: a point per step, and what its time went into."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from evenvoice.data.schemas import CURVE


@dataclass(frozen=True)
class Point:
    """One optimiser step."""

    step: int
    loss: float
    """Nats per label, penalty included."""
    learning_rate: float
    seconds: float


@dataclass
class Curve:
    """Grows while training runs; a resumed training goes on with the one it checkpointed."""

    points: list[Point] = field(default_factory=list)
    steps: int = 0
    """Steps taken, skipped batches included."""
    batches_skipped: int = 0
    """Batches whose loss or gradient was not finite; their steps have no point."""
    seconds: float = 0.0
    data_seconds: float = 0.0
    """Of those, spent waiting for batches."""
    audio_s: float = 0.0
    """Speech trained on: this process's times the number of processes, whose batches are of one size."""
    frames: int = 0
    """Log-mel frames of this process's batches, without padding."""
    padded_frames: int = 0
    """The same with padding."""

    def table(self) -> pa.Table:
        """As the CURVE schema wants it."""
        return pa.Table.from_pylist([vars(point) for point in self.points], schema=CURVE)

    def summary(self) -> dict[str, float]:
        """Figures for summary.json."""
        return {
            "steps": self.steps, "batches_skipped": self.batches_skipped, "seconds": self.seconds,
            "audio_s": self.audio_s, "audio_s_per_s": self.audio_s / self.seconds if self.seconds else 0.0,
            "padding_share": 1 - self.frames / self.padded_frames if self.padded_frames else 0.0,
            "data_wait_share": self.data_seconds / self.seconds if self.seconds else 0.0,
            **({"final_loss": self.points[-1].loss} if self.points else {}),
        }
