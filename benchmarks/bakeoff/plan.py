"""What the bake-off trains: every arm, learning rate and seed, and where each result lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ARMS: Final = ("lstm", "convrnnt", "convrnnt-local", "convrnnt-global", "conformer", "contextnet")
TUNING_SEED: Final = 1


@dataclass(frozen=True)
class Trial:
    """One training: equal seeds draw the same recordings in the same order, whatever the arm."""

    corpus: str
    arm: str
    learning_rate: float
    seed: int
    steps: int

    def directory(self, work: Path) -> Path:
        """Where its model and its scores lie."""
        return work / self.corpus / "trials" / f"{self.arm}-{self.learning_rate:g}-{self.seed}-{self.steps}"


def tuning(corpus: str, rates: tuple[float, ...], steps: int) -> list[Trial]:
    """The tuning budget: every arm at every rate, one seed."""
    return [Trial(corpus, arm, rate, TUNING_SEED, steps) for rate in rates for arm in ARMS]


def repetitions(corpus: str, rates: dict[str, float], seeds: int, steps: int) -> list[Trial]:
    """Every arm at its own rate, seed after seed, so that a bake-off cut short has whole seeds."""
    return [Trial(corpus, arm, rates[arm], TUNING_SEED + seed, steps) for seed in range(seeds) for arm in ARMS]
