"""A figure over seeds, with an interval that knows both how speakers differ and how seeds do.

A seed is a training of its own (in the synthetic world also other speakers), and its figure is uncertain by its
speakers. Speakers are resampled within each seed, once for all models, so that every figure is paired. With N seeds,
s^2 the variance of their figures and w the mean of the variances that resampling gives, the mean over seeds has the
variance max(s^2, w) / N: what seeds differ by already holds what their speakers add, so the two are not added, as
drawing seeds and then speakers would (percentiles of that hold 86 to 98 % of the time with five seeds, these bounds 94
to 97 %); but where a few seeds happen to agree, the speakers' share is not forgotten. Student's t has N - 1 degrees of
freedom where seeds differ by more than their speakers explain, and otherwise those of w (Satterthwaite 1946) [design].

Shapes: N seeds, R replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from evenvoice.metrics.bootstrap import Floats, Interval, Resampled


@dataclass(frozen=True, eq=False)
class OverSeeds:
    """One figure of each seed; figures of the same seeds add up.

    Attributes:
        estimates_N: the figures.
        replicates_NR: the same, each with its seed's speakers resampled; NaN where a group was not drawn.
        freedoms_N: speakers behind each, less one.
    """

    estimates_N: Floats
    replicates_NR: Floats
    freedoms_N: Floats

    @classmethod
    def of(cls, figures: Sequence[Resampled]) -> OverSeeds:
        """One figure for each seed."""
        return cls(np.array([figure.estimate for figure in figures]),
                   np.stack([figure.replicates for figure in figures]),
                   np.array([figure.freedom for figure in figures], np.float64))

    def __add__(self, other: OverSeeds) -> OverSeeds:
        return OverSeeds(self.estimates_N + other.estimates_N, self.replicates_NR + other.replicates_NR,
                         np.minimum(self.freedoms_N, other.freedoms_N))

    def __sub__(self, other: OverSeeds) -> OverSeeds:
        return self + -1.0 * other

    def __rmul__(self, factor: float) -> OverSeeds:
        return OverSeeds(factor * self.estimates_N, factor * self.replicates_NR, self.freedoms_N)

    @property
    def mean(self) -> float:
        """Over seeds; each counts alike."""
        return float(self.estimates_N.mean())

    def interval(self, confidence: float) -> Interval:
        """The mean between its two-sided bounds."""
        seeds = len(self.estimates_N)
        within_N = np.nanvar(self.replicates_NR, axis=1) * (self.freedoms_N + 1) / self.freedoms_N
        within, between = float(within_N.mean()), float(self.estimates_N.var(ddof=1)) if seeds > 1 else 0.0
        if between > within:
            variance, freedom = between, seeds - 1.0
        elif within > 0:
            variance, freedom = within, float(within_N.sum() ** 2 / (within_N**2 / self.freedoms_N).sum())
        else:  # models that made the same errors everywhere
            return Interval(self.mean, self.mean, self.mean)
        reach = float(stdtrit(freedom, (1 + confidence) / 2)) * float(np.sqrt(variance / seeds))
        return Interval(self.mean, self.mean - reach, self.mean + reach)
