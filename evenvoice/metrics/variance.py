"""How unevenly cohorts are served, as one number: the variance of their WERs, and how a model changes it.

The variance is over speakers: each cohort counts by its speakers, V = sum_c n_c (W_c - W)^2 / sum_c n_c with W the
mean of W_c over speakers [design]. Cohorts differ by chance even where all are served alike, which adds to V. What
resampling speakers adds to it is about as much again, so the estimate is 2 V - mean(V of the replicates) (bootstrap
correction for bias, Efron and Tibshirani 1993, ch. 10). Without it, where cohorts are small, every change is pulled
towards none.

Shapes: S speakers, R replicates, C cohorts, M models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import stdtrit

from evenvoice.metrics.bootstrap import Floats, Integers, Interval, Mask, SpeakerBootstrap

LEAST: Final = 2
"""Speakers of a cohort that is counted: one by itself says nothing of its cohort."""
UNKNOWN: Final = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class CohortVariance:
    """Variance of WER over cohorts under one model.

    Attributes:
        estimate: less what chance adds; not above 0 where cohorts differ by no more than chance.
        replicates: (R,) of the plain variance.
        freedom: units of the bootstrap that the smallest cohort is in, less one.
    """

    estimate: float
    replicates: Floats
    freedom: int


def cohort_variances(bootstrap: SpeakerBootstrap, errors_SM: Integers, words_S: Integers, cohorts: Sequence[Mask]
                     ) -> list[CohortVariance] | None:
    """One for each of M models, on the same replicates; None with fewer than two cohorts of two speakers with words."""
    heard = [members_S & (words_S > 0) for members_S in cohorts]
    heard = [members_S for members_S in heard if np.count_nonzero(members_S) >= LEAST]
    if len(heard) < 2:
        return None
    columns_SK = np.column_stack([np.ones(len(words_S), dtype=np.int64), words_S, errors_SM])
    drawn = bootstrap.draw(columns_SK, words_S, heard)
    sums_RKC = np.stack([of_cohort.sums_RK for of_cohort in drawn], axis=2)
    sums_KC = np.stack([of_cohort.totals_K for of_cohort in drawn], axis=1)
    freedom = min(int(np.count_nonzero(of_cohort.heard_U)) for of_cohort in drawn) - 1
    return [_variance(_weighted(sums_KC, model), _weighted(sums_RKC, model), freedom)
            for model in range(errors_SM.shape[1])]


def _weighted(sums: Floats, model: int) -> Floats:
    """(...) variance from (..., K, C) sums; a cohort that a replicate did not draw has no weight in it."""
    speakers, words, errors = sums[..., 0, :], sums[..., 1, :], sums[..., 2 + model, :]
    wer = errors / np.maximum(words, 1)
    mean = (speakers * wer).sum(axis=-1, keepdims=True) / speakers.sum(axis=-1, keepdims=True)
    return np.asarray((speakers * (wer - mean) ** 2).sum(axis=-1) / speakers.sum(axis=-1))


def _variance(plain: Floats, replicates_R: Floats, freedom: int) -> CohortVariance:
    return CohortVariance(2 * float(plain) - float(np.nanmean(replicates_R)), replicates_R, freedom)


def change_of_variance(model: CohortVariance, base: CohortVariance, confidence: float) -> Interval:
    """(V_model - V_base) / V_base with its two-sided interval, paired; NaN where the base has no variance to change.

    The interval is on the ratio itself, by the spread of V_model - ratio * V_base over replicates (delta method): a
    logarithm would break where a model evens out all there is. Nothing falls below -1.
    """
    if base.estimate <= 0:
        return UNKNOWN
    ratio = model.estimate / base.estimate
    spread = float(np.nanstd(model.replicates - ratio * base.replicates)) / base.estimate
    scale = float(np.sqrt((base.freedom + 1) / base.freedom))
    reach = float(stdtrit(base.freedom, (1 + confidence) / 2)) * scale * spread
    return Interval(*(max(-1.0, value - 1) for value in (ratio, ratio - reach, ratio + reach)))
