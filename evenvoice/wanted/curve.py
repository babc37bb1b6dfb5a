"""A learning curve over the speakers of one cohort, continued to where its gap would be at the limit.

The law: what a cohort errs more than the top one falls as a power of its training speakers and of what everybody else's
speech is worth to it, W_bottom - W_top = A * (n + n_others) ** -b. That other speech counts like so much of one's own
is how transfer between corpora scales (Hernandez et al. 2021, arXiv 2102.01293). Three points cannot tell three
numbers: the exponent is :data:`EXPONENT` [design], and n_others is fitted to it. The top cohort's WER counts as given,
since nothing about its speech changes along the curve.

Three kinds of chance are in the interval: who was measured (speakers are resampled, the same ones under every
training), what else a training might have ended with (:data:`TRAINING_NOISE`), and other exponents, which the points
bear about as well (:data:`BEND`).

Shapes: P points, R replicates, G values of n_others that are tried.
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
EXPONENT: Final = 2.0
"""With 1 as many speakers as two worlds wanted for a gap of 50 % left 5 and -1 % of it (docs/experiments.md);
`make bench-healing` checks what comes of 2."""
BEND: Final = 0.5
"""Standard deviation of the logarithm of the exponent [design]: nine in ten lie between 0.9 and 4.6."""
CONFIDENCE: Final = 0.9
"""Of the interval of the forecast; not a setting, since the figure is read as an order of magnitude."""
FARTHEST: Final = 16.0
"""Three points over a factor of four say nothing about more than this times the speakers that there are."""
WORTH: Final = np.concatenate([[0.0], np.geomspace(0.05, 50, 121)])
"""(G,) what everybody else's speech may be worth, in multiples of the cohort's own speakers."""
LEAST_EXCESS: Final = 0.02
"""Of the top cohort's WER: a cohort that errs no more than the top one counts as erring this much more."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One training: the cohort's training speakers, and log WERs on speakers who took no part in any."""

    speakers: int
    bottom: Resampled
    top: Resampled


@dataclass(frozen=True, kw_only=True)
class Law:
    """W_bottom - W_top = excess * ((n + others) / (now + others)) ** -exponent in each replicate, the estimate first.

    Attributes:
        now: training speakers of the last point.
        excess: (1 + R,) what the cohort errs more there, as the curve has it.
        others: (1 + R,) what everybody else's speech is worth, in speakers of the cohort.
        exponent: (1 + R,) :data:`EXPONENT` for the estimate.
        top: (1 + R,) WER of the top cohort.
        rise: (1 + R,) log of the cohort's WER at the first point over that at the last, as measured.
        fresh: (1 + R,) by how much, in logarithms, another training heard by as many other speakers may differ.
    """

    now: int
    excess: Floats
    others: Floats
    exponent: Floats
    top: Floats
    rise: Floats
    fresh: Floats

    def gap(self, speakers: float) -> Floats:
        """(1 + R,) relative gap to the top cohort with so many training speakers."""
        fewer_R = ((speakers + self.others) / (self.now + self.others)) ** -self.exponent
        gap_R: Floats = self.excess / self.top * fewer_R
        return gap_R

    def gap_measured(self, speakers: float) -> Floats:
        """:meth:`gap`, as a run that trains and measures anew may find it."""
        measured_R: Floats = (1 + self.gap(speakers)) * np.exp(self.fresh) - 1
        return measured_R

    def needed(self, limit: float) -> Floats:
        """(1 + R,) training speakers with whom the gap is ``limit``."""
        factor_R = (self.excess / (limit * self.top)) ** (1 / self.exponent)
        needed_R: Floats = np.maximum((self.now + self.others) * factor_R - self.others, 0.0)
        return needed_R

    @property
    def helps(self) -> bool:
        """Whether it is established that more speakers of the cohort lower its WER."""
        return bool(np.quantile(self.rise[1:], (1 - CONFIDENCE) / 2) > 0)


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
    """Least squares through the logarithms of what the cohort errs more, again in each replicate.

    Args:
        points: by rising number of speakers; their replicates belong together.
        rng: draws what trainings might have ended with.
    """
    now = points[-1].speakers
    bottom_PR = np.exp(_with_noise([point.bottom for point in points], rng))
    top_PR = np.exp(_with_noise([point.top for point in points], rng))
    top_R = top_PR.mean(axis=0)
    excess_PR = np.maximum(bottom_PR - top_R, LEAST_EXCESS * top_R)
    bend_R = np.concatenate([[0.0], rng.normal(0.0, BEND, excess_PR.shape[1] - 1)])
    exponent_R = EXPONENT * np.exp(bend_R)
    worth_R, level_R = _fitted(np.array([point.speakers / now for point in points]), np.log(excess_PR), exponent_R)
    return Law(now=now, excess=np.exp(level_R), others=now * worth_R, exponent=exponent_R, top=top_R,
               rise=np.log(bottom_PR[0] / bottom_PR[-1]), fresh=_fresh(points[-1], rng))


def _fitted(sizes_P: Floats, excess_PR: Floats, exponent_R: Floats) -> tuple[Floats, Floats]:
    """The worth (R,) of others that leaves least over, given the exponents, and the log excess (R,) at size 1."""
    shapes_GP = -np.log((sizes_P + WORTH[:, None]) / (1 + WORTH[:, None]))
    shape_G, level_R = shapes_GP.mean(axis=1), excess_PR.mean(axis=0)
    around_GP, around_PR = shapes_GP - shape_G[:, None], excess_PR - level_R
    left_GR = exponent_R**2 * (around_GP**2).sum(axis=1)[:, None] - 2 * exponent_R * (around_GP @ around_PR)
    best_R = left_GR.argmin(axis=0)
    return WORTH[best_R], level_R - exponent_R * shape_G[best_R]


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
