"""What the benchmark trains: ways to save work, how much of it, and where each result lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

Way = Literal["dense", "amortized", "chance", "removed", "narrower", "window"]
"""dense: everything works. amortized: arbitrators decide. chance: frames drawn at random, as many. removed: whole
sub-blocks left out for good. narrower: fewer channels, trained from nothing. window: attention sees fewer frames."""
TITLES: Final[dict[Way, str]] = {
    "dense": "dense", "amortized": "amortized", "chance": "random gates", "removed": "sub-blocks removed",
    "narrower": "narrower", "window": "shorter window"}
TARGETS: Final = (0.7, 0.55, 0.4, 0.3, 0.2)
"""Shares of the dense encoder's work that are aimed at: the sweep of the amortized model."""
MATCHED_TO: Final = (0.55, 0.4, 0.2)
"""Targets of the amortized models that random gates and removed sub-blocks stand beside."""
NARROWER: Final = (0.4,)
WINDOWS: Final = (0.125,)
"""Of the encoder frames that attention sees: keys and values are a small part of the work, so windows save little."""

MATCHED: Final[tuple[Way, ...]] = ("chance", "removed")


@dataclass(frozen=True)
class Trial:
    """One model; ``amount`` is a share of the work, or of the window, and of the dense control 1."""

    way: Way
    amount: float
    seed: int

    @classmethod
    def parse(cls, way: str, amount: str, seed: str) -> Self:
        """From a command line.

        Raises:
            ValueError: no such way.
        """
        known = next((one for one in TITLES if one == way), None)
        if known is None:
            raise ValueError(f"the way must be one of {', '.join(TITLES)}, got {way}")
        return cls(known, float(amount), int(seed))

    @property
    def name(self) -> str:
        """Unique within a seed."""
        return self.way if self.way == "dense" else f"{self.way}-{self.amount:g}"

    def directory(self, work: Path) -> Path:
        """Where its model and its scores lie."""
        return work / f"seed-{self.seed}" / "trials" / self.name


def sweep(seed: int) -> list[Trial]:
    """Trials that depend on no other but the dense control, which comes first."""
    return [Trial("dense", 1.0, seed), *(Trial("amortized", target, seed) for target in TARGETS),
            *(Trial("narrower", share, seed) for share in NARROWER),
            *(Trial("window", share, seed) for share in WINDOWS)]


def matched(seed: int) -> list[Trial]:
    """Trials that do as much work as the amortized models came to, which so have to be trained first."""
    return [Trial(way, target, seed) for target in MATCHED_TO for way in MATCHED]
