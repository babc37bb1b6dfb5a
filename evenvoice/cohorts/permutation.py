"""Gain of a split, and the permutation test that says whether chance alone would have found one as good.

Whole speakers are shuffled, never words or utterances: a speaker's errors come together (overdispersion), and a test
that took words for independent would call most noise a discovery.

Shapes: S speakers of a node, P shufflings (1 for the observed order), K cuts of one feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from evenvoice.cohorts.table import Floats, Integers

Gain = Literal["poisson", "difference"]


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """Candidate cuts of a node along one feature: the first ``sizes[k]`` speakers of ``order`` lie below cut k.

    Args:
        order: (S,) speakers by ascending feature.
        sizes: (K,) speakers below each cut.
        thresholds: (K,) where the feature is cut.
    """

    order: NDArray[np.intp]
    sizes: NDArray[np.intp]
    thresholds: Floats


def split_gains(*, errors_PS: Integers, words_PS: Integers, cuts: Cuts, min_words: int, gain: Gain) -> Floats:
    """Gain (P, K) of every cut; minus infinity where a side has fewer than ``min_words`` words.

    ``poisson`` is the log likelihood ratio of one error rate per side against one for both,
    sum_c e_c ln(e_c / n_c) - e ln(e / n) (Poisson scan statistic, Kulldorff 1997, doi:10.1080/03610929708831995).
    ``difference`` is |WER below - WER above|.
    """
    below_errors_PK = np.cumsum(errors_PS[:, cuts.order], axis=1)[:, cuts.sizes - 1]
    below_words_PK = np.cumsum(words_PS[:, cuts.order], axis=1)[:, cuts.sizes - 1]
    errors, words = int(errors_PS[0].sum()), int(words_PS[0].sum())
    above_errors_PK, above_words_PK = errors - below_errors_PK, words - below_words_PK
    allowed_PK = np.minimum(below_words_PK, above_words_PK) >= min_words
    below_rate_PK = below_errors_PK / np.maximum(below_words_PK, 1)
    above_rate_PK = above_errors_PK / np.maximum(above_words_PK, 1)
    if gain == "difference":
        gains_PK = np.abs(below_rate_PK - above_rate_PK)
    else:
        gains_PK = (xlogy(below_errors_PK, below_rate_PK) + xlogy(above_errors_PK, above_rate_PK)
                    - xlogy(errors, errors / max(words, 1)))
    return np.where(allowed_PK, gains_PK, -np.inf)


def largest_gains(*, errors_PS: Integers, words_PS: Integers, cuts: Sequence[Cuts], min_words: int,
                  gain: Gain) -> Floats:
    """The largest gain over all cuts of all features, per shuffling: (P,)."""
    largest_P = np.full(len(errors_PS), -np.inf)
    for candidates in cuts:
        gains_PK = split_gains(errors_PS=errors_PS, words_PS=words_PS, cuts=candidates, min_words=min_words, gain=gain)
        largest_P = np.maximum(largest_P, gains_PK.max(axis=1, initial=-np.inf))
    return largest_P


def permutation_p_value(*, observed: float, errors_S: Integers, words_S: Integers, cuts: Sequence[Cuts],
                        min_words: int, gain: Gain, permutations: int, rng: np.random.Generator) -> float:
    """Share of worlds, this one included, whose best split is at least as good: (1 + #{null >= observed}) / (1 + P).

    The null distribution is that of the *largest* gain over all candidate cuts, since that is what the search reports.
    """
    shuffled_PS = rng.permuted(np.tile(np.arange(len(errors_S)), (permutations, 1)), axis=1)
    null_P = largest_gains(errors_PS=errors_S[shuffled_PS], words_PS=words_S[shuffled_PS], cuts=cuts,
                           min_words=min_words, gain=gain)
    return float(1 + np.count_nonzero(null_P >= observed)) / (1 + permutations)
