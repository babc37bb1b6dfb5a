"""A learning curve over the speakers of one cohort, continued to where its gap would be at the limit.

The curve is a power law, as error rates follow the amount of training speech over a wide range (Hestness et al. 2017,
arXiv 1712.00409): log W_bottom = a - b log n, n the cohort's training speakers. The top cohort's WER counts as given,
since nothing about its speech changes along the curve. [design]

Three kinds of chance are in the interval: who was measured (speakers are resampled, the same ones under every
training), what else a training might have ended with (:data:`TRAINING_NOISE`), and that the exponent beyond the points
is not the one along them (:data:`BEND`).

Shapes: P points, R replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from evenvoice.metrics.bootstrap import Floats, Resampled

TRAINING_NOISE: Final = 0.06
"""Standard deviation of the logarithm of a cohort's WER over trainings that differ in nothing but their seed, as
measured in docs/experiments.md."""
BEND: Final = 0.35
"""Standard deviation of the logarithm of the exponent beyond the points over that along them; likewise measured."""
CONFIDENCE: Final = 0.9
"""Of the interval of the forecast; not a setting, since the figure is read as an order of magnitude."""
FARTHEST: Final = 16.0
"""Three points over a factor of four say nothing about more than this times the speakers that there are."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One training: the cohort's training speakers, and log WERs on speakers who took no part in any."""

    speakers: int
    bottom: Resampled
    top: Resampled


@dataclass(frozen=True, kw_only=True)
class Law:
    """log W_bottom = level - exponent * log(n / now) in each replicate, the estimate first.

    Attributes:
        now: training speakers of the last point.
        level: (1 + R,) log WER of the cohort there, as the line has it.
        exponent: (1 + R,).
        top: (1 + R,) log WER of the top cohort there.
    """

    now: int
    level: Floats
    exponent: Floats
    beyond: Floats
    """(1 + R,) the exponent with more than ``now`` speakers."""
    top: Floats
    fresh: Floats
    """(1 + R,) by how much another training, heard by as many other speakers, may differ; 0 for the estimate."""

    def gap(self, speakers: float) -> Floats:
        """(1 + R,) relative gap to the top cohort with so many training speakers, ``now`` or more."""
        gap_R: Floats = np.expm1(self.level - self.beyond * np.log(speakers / self.now) - self.top)
        return gap_R

    def gap_measured(self, speakers: float) -> Floats:
        """:meth:`gap`, as a run that trains and measures anew may find it."""
        measured_R: Floats = (1 + self.gap(speakers)) * np.exp(self.fresh) - 1
        return measured_R

    def needed(self, limit: float) -> Floats:
        """(1 + R,) training speakers with whom the gap is ``limit``; infinite where more do not help."""
        above = self.level - self.top - np.log1p(limit)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            factor = np.exp(above / self.beyond)
        factor = np.where(above <= 0, np.minimum(factor, 1.0), np.where(self.beyond > 0, factor, np.inf))
        needed_R: Floats = self.now * factor
        return needed_R

    @property
    def helps(self) -> bool:
        """Whether it is established that more speakers of the cohort lower its WER."""
        return bool(np.quantile(self.exponent[1:], (1 - CONFIDENCE) / 2) > 0)


@dataclass(frozen=True, kw_only=True)
class Range:
    """A figure of the forecast between its bounds."""

    estimate: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: Floats) -> Range:
        """(1 + R,) figures, the estimate first, to percentiles of the others."""
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(figures[1:], [tail, 1 - tail], method="inverted_cdf")
        return cls(estimate=float(figures[0]), low=float(low), high=float(high))


def fit_law(points: Sequence[Point], rng: np.random.Generator) -> Law:
    """Least squares through the points' logarithms, again in each replicate.

    Args:
        points: by rising number of speakers; their replicates belong together.
        rng: draws what trainings might have ended with.
    """
    sizes_P = np.log([point.speakers / points[-1].speakers for point in points])
    bottom_PR = _with_noise([point.bottom for point in points], rng)
    [top_R] = _with_noise([points[-1].top], rng)
    centred_P = sizes_P - sizes_P.mean()
    slope_R = centred_P @ bottom_PR / (centred_P @ centred_P)
    bend_R = np.concatenate([[1.0], np.exp(rng.normal(0.0, BEND, len(slope_R) - 1))])
    return Law(now=points[-1].speakers, exponent=-slope_R, beyond=-slope_R * bend_R,
               level=bottom_PR.mean(axis=0) - slope_R * sizes_P.mean(),
               top=top_R, fresh=_fresh(points[-1], rng))


def _fresh(last: Point, rng: np.random.Generator) -> Floats:
    spread = np.sqrt(2 * TRAINING_NOISE**2 + last.bottom.standard_error**2 + last.top.standard_error**2)
    return np.concatenate([[0.0], rng.normal(0.0, spread, len(last.bottom.replicates))])


def _with_noise(found: Sequence[Resampled], rng: np.random.Generator) -> Floats:
    """(P, 1 + R) estimates, then replicates as uncertain as the standard error and another training make them."""
    rows = []
    for resampled in found:
        drawn_R = resampled.replicates - np.nanmean(resampled.replicates)
        drawn_R = np.where(np.isnan(drawn_R), 0.0, drawn_R)
        noise_R = rng.normal(0.0, TRAINING_NOISE, len(drawn_R))
        rows.append(np.concatenate([[resampled.estimate], resampled.estimate + drawn_R + noise_R]))
    return np.stack(rows)
