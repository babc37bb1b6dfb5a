"""Whether something that was measured is within its limit.

A count is a rate or a ratio of rates with its limit, as logarithms. Lower bounds, which establish that a limit is
broken, hold for all counts at once (max-t), since one is enough to fail. Upper bounds, which show that a limit is kept,
hold one by one, since a pass needs all of them at once (intersection-union test, Berger 1982, Technometrics 24:295).
Those of a gap go by a standard error that is not below what everyone's dispersion makes of so many speakers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from evenvoice.gates.verdict import Decision
from evenvoice.metrics.bootstrap import Resampled


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """A count on its natural scale, and what follows for its limit.

    Attributes:
        estimate: a rate, or a relative difference of rates; ``low`` and ``high`` likewise.
        missing_speakers: how many more would bring the upper bound to the limit; None unless undecided, and where the
            estimate itself is beyond the limit.
    """

    estimate: float
    low: float
    high: float
    decision: Decision
    missing_speakers: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Count:
    """A logarithm, and the largest that is tolerated.

    Attributes:
        cautious: the same with a standard error that a few speakers cannot make too small; upper bounds go by it. None
            where it is ``statistic`` itself.
    """

    statistic: Resampled
    limit: float
    speakers: int
    cautious: Resampled | None = None

    def upper(self, confidence: float) -> float:
        """One-sided upper bound."""
        return (self.cautious or self.statistic).upper(confidence)

    def missing_speakers(self, confidence: float) -> int | None:
        """The distance of the upper bound shrinks with 1 / sqrt(speakers)."""
        room = self.limit - self.statistic.estimate
        if room <= 0:
            return None
        distance = self.upper(confidence) - self.statistic.estimate
        return max(1, math.ceil(self.speakers * (distance / room) ** 2 - self.speakers))

    def bounds(self, *, level: float, confidence: float, scale: Callable[[float], float]) -> Bounds:
        """Decide.

        Args:
            level: of the lower bound, which all counts of a verdict share.
            confidence: of the upper bound.
            scale: from the logarithm to what people read.
        """
        low, high = self.statistic.lower(level), self.upper(confidence)
        decision: Decision = "exceeds" if low > self.limit else "within" if high <= self.limit else "undecided"
        return Bounds(estimate=scale(self.statistic.estimate), low=scale(low), high=scale(high), decision=decision,
                      missing_speakers=self.missing_speakers(confidence) if decision == "undecided" else None)
