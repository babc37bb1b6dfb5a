"""What a training leaves behind besides weights: a point per step. Times are not among it: they differ every time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from evenvoice.data.schemas import CURVE


@dataclass(frozen=True)
class Point:
    """One optimiser step."""

    step: int
    loss: float
    """Nats per label, penalty included; each label counts once, whatever the weight of its recording."""
    learning_rate: float
    effective_share: float | None = None
    """Effective sample size as a share of the batch; None where recordings are not weighted."""
    executed_share: float | None = None
    """Of the dense encoder's work; None where no gates decide what works."""


@dataclass
class Curve:
    """Grows while training runs; a resumed training goes on with the one it checkpointed."""

    points: list[Point] = field(default_factory=list)
    steps: int = 0
    """Steps taken, skipped batches included."""
    batches_skipped: int = 0
    """Batches whose loss or gradient was not finite; their steps have no point."""
    audio_s: float = 0.0
    """Speech trained on: this process's times the number of processes, whose batches are of one size; where each has a
    share of the features, all processes' own."""
    frames: int = 0
    """Log-mel frames of this process's batches, without padding."""
    padded_frames: int = 0
    """The same with padding."""
    chosen_batch_s: float | None = None
    """Seconds of speech per batch and process, where the settings left them to the device."""

    def table(self) -> pa.Table:
        """As the CURVE schema wants it."""
        return pa.Table.from_pylist([vars(point) for point in self.points], schema=CURVE)

    def summary(self) -> dict[str, float]:
        """Figures for summary.json."""
        return {
            "steps": self.steps, "batches_skipped": self.batches_skipped, "audio_s": self.audio_s,
            "padding_share": 1 - self.frames / self.padded_frames if self.padded_frames else 0.0,
            **({"final_loss": self.points[-1].loss} if self.points else {}),
            **({"chosen_batch_s": self.chosen_batch_s} if self.chosen_batch_s is not None else {}),
        }


@dataclass
class Pace:
    """How fast this process trains, since it started or resumed."""

    seconds: float = 0.0
    data_seconds: float = 0.0
    """Of those, spent waiting for batches."""
    audio_s: float = 0.0

    def figures(self) -> dict[str, float]:
        """Seconds of speech trained on per second, and the share of the time that went into waiting for data."""
        seconds = max(self.seconds, 1e-9)
        return {"seconds": self.seconds, "audio_s_per_s": self.audio_s / seconds,
                "data_wait_share": self.data_seconds / seconds}
