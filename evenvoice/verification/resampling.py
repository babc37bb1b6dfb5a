"""Intervals of error rates of pairs: speakers are resampled, and a pair counts as often as both of its speakers.

Trials are never resampled: those of one speaker share a voice, and those of two speakers share both. With w the times
each speaker is drawn, a same-speaker trial counts w_i times and a different-speaker trial w_i w_j times. All figures of
all models and groups of a split share one matrix of weights, so that comparisons are paired. As for words, everything
is done on logarithms, with Student's t on as many speakers as there are (evenvoice.metrics.bootstrap).

Shapes: S speakers, N trials, R replicates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.metrics.bootstrap import (
    HALF_AN_ERROR,
    Floats,
    Mask,
    Resampled,
    counting_error,
    multinomial_weights,
)
from evenvoice.verification.detection import Scores, crossing, equal_error_rate

CELLS_AT_ONCE: Final = 4_000_000
"""Weighted trials of some replicates together: bounds the working memory to some 100 MB."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Trials by their speakers: ``first`` and ``second`` (N,) numbers below S, equal where one speaker said both."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]

    @property
    def same(self) -> Mask:
        """(N,) whether one speaker said both."""
        return np.asarray(self.first == self.second, dtype=bool)

    def within(self, members_S: Mask) -> Mask:
        """(N,) whether both speakers are members."""
        both_N: Mask = members_S[self.first] & members_S[self.second]
        return both_N

    def where(self, kept_N: Mask | NDArray[np.intp]) -> Pairs:
        """Some of the trials, in this order where they are numbered."""
        return Pairs(self.first[kept_N], self.second[kept_N])


class PairBootstrap:
    """The replicates of one split; without any, rates have an estimate and no bounds."""

    def __init__(self, speakers: int, replicates: int, rng: np.random.Generator) -> None:
        self._weights_RS = multinomial_weights(speakers, replicates, rng).astype(np.float64)

    def log_rate(self, wrong_N: Mask, pairs: Pairs) -> Resampled:
        """Logarithm of the share of these trials that are answered wrongly; all of one kind, misses or false alarms.

        NaN throughout without a trial.
        """
        trials = len(wrong_N)
        speakers = len(np.unique(np.concatenate([pairs.first, pairs.second])))
        if not trials:
            return Resampled(float("nan"), np.full(len(self._weights_RS), np.nan), float("nan"), 0)
        wrong_R, all_R = self._sums(wrong_N.astype(np.float64), pairs), self._sums(np.ones(trials), pairs)
        with np.errstate(divide="ignore", invalid="ignore"):
            replicates_R = np.where(all_R > 0, np.log(np.maximum(wrong_R, HALF_AN_ERROR) / all_R), np.nan)
        errors = float(wrong_N.sum())
        return _resampled(errors, trials, replicates_R, speakers)

    def log_equal_error_rate(self, scores_N: Scores, pairs: Pairs) -> Resampled:
        """Logarithm of the equal error rate, with a threshold of its own in every replicate.

        Raises:
            CohortError: trials of only one kind.
        """
        estimate, same_N = equal_error_rate(scores_N, pairs.same), pairs.same
        rates_R = self._equal_error_rates(scores_N, pairs, _reached(scores_N[~same_N], estimate))
        smallest = HALF_AN_ERROR / max(1, same_N.sum())
        speakers = len(np.unique(pairs.first[same_N]))
        return _resampled(estimate * same_N.sum(), int(same_N.sum()), np.log(np.maximum(rates_R, smallest)), speakers)

    def _equal_error_rates(self, scores_N: Scores, pairs: Pairs, lowest: float) -> Floats:
        """(R,) rates, whose thresholds are looked for from the score ``lowest`` up: below it trials only add up."""
        same_N, below_N = pairs.same, scores_N < lowest
        one, other = pairs.where(same_N), pairs.where(~same_N)
        all_same_R, all_other_R = (self._sums(np.ones(len(kind.first)), kind) for kind in (one, other))
        missed_R = self._sums(below_N[same_N].astype(np.float64), one)
        accepted_R = self._sums((~below_N[~same_N]).astype(np.float64), other)
        order_N = np.flatnonzero(~below_N)[np.argsort(scores_N[~below_N], kind="stable")]
        sorted_N, ordered = scores_N[order_N], pairs.where(order_N)
        last_T = np.flatnonzero(np.append(sorted_N[1:] != sorted_N[:-1], True))  # equal scores are decided together
        kind_N = ordered.same
        rates_R = np.full(len(self._weights_RS), np.nan)
        for rows in self._rows(len(order_N)):
            weights_RN = self._trial_weights(ordered, kind_N, rows)
            missed_RT = missed_R[rows, None] + np.cumsum(np.where(kind_N, weights_RN, 0.0), axis=1)[:, last_T]
            refused_RT = np.cumsum(np.where(kind_N, 0.0, weights_RN), axis=1)[:, last_T]
            with np.errstate(invalid="ignore", divide="ignore"):
                miss_RT = np.hstack([missed_R[rows, None], missed_RT]) / all_same_R[rows, None]
                false_alarm_RT = (accepted_R[rows, None] - np.hstack([np.zeros((len(weights_RN), 1)), refused_RT])
                                  ) / all_other_R[rows, None]
            drawn_R = (all_same_R[rows] > 0) & (all_other_R[rows] > 0)
            rates_R[rows] = np.where(drawn_R, crossing(miss_RT, false_alarm_RT), np.nan)
        return rates_R

    def _trial_weights(self, pairs: Pairs, same_N: Mask, rows: slice) -> Floats:
        weights_RS = self._weights_RS[rows]
        first_RN = weights_RS[:, pairs.first]
        return np.where(same_N, first_RN, first_RN * weights_RS[:, pairs.second])

    def _sums(self, values_N: Floats, pairs: Pairs) -> Floats:
        """(R,) sums over trials, each as often as it counts: sum_ij w_i V_ij w_j, or sum_i w_i V_ii."""
        speakers = self._weights_RS.shape[1]
        if pairs.same.all():
            return np.asarray(self._weights_RS @ np.bincount(pairs.first, values_N, minlength=speakers))
        members = np.unique(np.concatenate([pairs.first, pairs.second]))
        place_S = np.zeros(speakers, dtype=np.int64)
        place_S[members] = np.arange(len(members))
        values_SS = np.zeros((len(members), len(members)))
        np.add.at(values_SS, (place_S[pairs.first], place_S[pairs.second]), values_N)
        weights_RS = self._weights_RS[:, members]
        return np.asarray(((weights_RS @ values_SS) * weights_RS).sum(axis=1))

    def _rows(self, trials: int) -> list[slice]:
        height = max(1, CELLS_AT_ONCE // max(trials, 1))
        return [slice(start, start + height) for start in range(0, len(self._weights_RS), height)]


def _reached(others_N: Scores, rate: float) -> float:
    """A score below which no threshold of an equal error rate near ``rate`` lies: so high that far more are accepted.

    Sorting out the many trials that are far from any threshold makes the bootstrap several times as fast.
    """
    share = min(1.0, 5 * rate + 0.05)
    return float(np.quantile(others_N, 1 - share)) if share < 1 else -np.inf


def _resampled(errors: float, trials: int, replicates_R: Floats, speakers: int) -> Resampled:
    estimate = float(np.log(max(errors, HALF_AN_ERROR) / trials))
    known_R = replicates_R[np.isfinite(replicates_R)]
    spread = float(known_R.std()) * float(np.sqrt(speakers / (speakers - 1))) if speakers > 1 and len(known_R) else 0.0
    return Resampled(estimate, replicates_R, max(spread, counting_error(errors, trials)), speakers - 1)
