"""How well scores tell whether two recordings are of one speaker.

A trial is a pair of recordings with a score; it is accepted as of one speaker when its score reaches a threshold. A
miss is a same-speaker trial that is refused, a false alarm a different-speaker trial that is accepted.

Shapes: N trials, T thresholds.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.errors import CohortError

Scores = NDArray[np.floating]
Mask = NDArray[np.bool_]
TARGET_PRIORS: Final = (0.01, 0.05)
"""Priors of a same-speaker trial in the detection costs that are told: those of the NIST and VoxCeleb evaluations."""


def error_rates(scores_N: Scores, same_N: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Miss and false-alarm rates (T,) with the threshold at each distinct score and above all of them.

    Equal scores are accepted or refused together.

    Raises:
        CohortError: trials of only one kind.
    """
    if same_N.all() or not same_N.any():
        raise CohortError(name="verification trials", rule="hold same-speaker and different-speaker pairs",
                          value=f"{int(same_N.sum())} of {len(same_N)} same-speaker", action="Add speakers, or "
                          "recordings of each: one recording per speaker makes no same-speaker trial.")
    same, different = np.sort(scores_N[same_N]), np.sort(scores_N[~same_N])
    thresholds = np.append(np.unique(scores_N), np.inf)
    miss_T = np.searchsorted(same, thresholds, side="left") / len(same)
    false_alarm_T = 1 - np.searchsorted(different, thresholds, side="left") / len(different)
    return miss_T, false_alarm_T


def equal_error_rate(scores_N: Scores, same_N: Mask) -> float:
    """The rate at which misses and false alarms are equally frequent, between thresholds by a straight line.

    Raises:
        CohortError: trials of only one kind.
    """
    miss_T, false_alarm_T = error_rates(scores_N, same_N)
    return float(crossing(miss_T[None], false_alarm_T[None])[0])


def crossing(miss_RT: NDArray[np.float64], false_alarm_RT: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where misses, which rise with the threshold, meet false alarms, which fall: (R,) of R pairs of curves."""
    after_R = np.argmax(miss_RT >= false_alarm_RT, axis=1)
    before_R, rows = np.maximum(after_R - 1, 0), np.arange(len(miss_RT))
    gap_before_R = false_alarm_RT[rows, before_R] - miss_RT[rows, before_R]
    gap_after_R = false_alarm_RT[rows, after_R] - miss_RT[rows, after_R]
    apart_R = gap_before_R != gap_after_R
    share_R = np.where(apart_R, gap_before_R / np.where(apart_R, gap_before_R - gap_after_R, 1.0), 0.0)
    met_R: NDArray[np.float64] = miss_RT[rows, before_R] + share_R * (miss_RT[rows, after_R] - miss_RT[rows, before_R])
    return met_R


def minimum_detection_cost(scores_N: Scores, same_N: Mask, target_prior: float) -> float:
    """min over thresholds of P miss + (1 - P) false alarm, over the cost of the better blind answer (NIST SRE).

    Raises:
        CohortError: trials of only one kind.
    """
    miss_T, false_alarm_T = error_rates(scores_N, same_N)
    cost_T = target_prior * miss_T + (1 - target_prior) * false_alarm_T
    return float(cost_T.min() / min(target_prior, 1 - target_prior))


def log_likelihood_ratio_cost(llrs_N: Scores, same_N: Mask) -> float:
    """Cllr in bits (N. Bruemmer and J. du Preez, 2006, equation 6): 0 is perfect, 1 is to know nothing.

    Args:
        llrs_N: natural logarithms of likelihood ratios, so calibrated scores.
    """
    misses = np.logaddexp(0, -llrs_N[same_N]).mean()
    false_alarms = np.logaddexp(0, llrs_N[~same_N]).mean()
    return float((misses + false_alarms) / (2 * np.log(2)))
