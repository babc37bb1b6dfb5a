"""Gain of a split, and the permutation test that says whether chance alone would have found one as good.

Whole speakers are shuffled, never words or utterances: a speaker's errors come together (overdispersion), and a test
that took words for independent would call most noise a discovery.

Shapes: S speakers of a node, P shufflings (1 for the observed order), K candidate splits of one family, F families.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from evenvoice.cohorts.bounds import Bounds, Box
from evenvoice.cohorts.table import Floats, Integers

Gain = Literal["poisson", "difference"]
Counts = NDArray[Any]
"""Of whole speakers, or of pools of them, where they may be floating-point numbers."""
CELLS_AT_ONCE: Final = 300_000
"""Gains computed together: what they take stays in a processor's cache."""
_TINY: Final = 1e-300


class Candidates(Protocol):
    """A family of splits of one node, each of which parts its speakers in two."""

    def __len__(self) -> int:
        """How many: K."""

    def sums(self, counts_PS: Counts) -> Floats:
        """Sum (P, K) of the counts of the speakers on the one side of each split."""

    def box(self, k: int) -> Box:
        """What split k has inside."""


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """Straight cuts along one feature: the first ``sizes[k]`` speakers of ``order`` lie below cut k.

    Args:
        feature: its number.
        order: (S,) speakers by ascending feature.
        sizes: (K,) speakers below each cut.
        thresholds: (K,) where the feature is cut.
    """

    feature: int
    order: NDArray[np.intp]
    sizes: NDArray[np.intp]
    thresholds: Floats

    def __len__(self) -> int:
        return len(self.sizes)

    def sums(self, counts_PS: Counts) -> Floats:
        """Sum (P, K) below each cut."""
        return np.cumsum(counts_PS[:, self.order], axis=1, dtype=np.float64)[:, self.sizes - 1]

    def box(self, k: int) -> Box:
        """What lies above cut k."""
        return {self.feature: Bounds(low=float(self.thresholds[k]))}


Families = Sequence[Sequence[Candidates]]
"""What a node is searched for, by how much a search of that kind finds in noise."""


def split_gains(*, errors_PS: Counts, words_PS: Counts, candidates: Candidates, min_words: int,
                gain: Gain) -> Floats:
    """Gain (P, K) of every split; minus infinity where a side has fewer than ``min_words`` words.

    ``poisson`` is the log likelihood ratio of one error rate per side against one for both,
    sum_c e_c ln(e_c / n_c) - e ln(e / n) (Poisson scan statistic, Kulldorff 1997, doi:10.1080/03610929708831995).
    ``difference`` is the distance of the two word error rates.
    """
    errors, words = int(errors_PS[0].sum()), int(words_PS[0].sum())
    one_errors_PK, one_words_PK = candidates.sums(errors_PS), candidates.sums(words_PS)
    other_errors_PK, other_words_PK = errors - one_errors_PK, words - one_words_PK
    few_PK = np.minimum(one_words_PK, other_words_PK) < min_words
    if gain == "difference":
        gains_PK = np.abs(_rates(one_errors_PK, one_words_PK) - _rates(other_errors_PK, other_words_PK))
    else:
        gains_PK = log_likelihood(one_errors_PK, one_words_PK)
        gains_PK += log_likelihood(other_errors_PK, other_words_PK)
        gains_PK -= errors * np.log(max(errors / max(words, 1), _TINY))
    gains_PK[few_PK] = -np.inf
    return gains_PK


def _rates(errors_PK: Floats, words_PK: Floats) -> Floats:
    rates_PK = np.maximum(words_PK, 1)
    return np.divide(errors_PK, rates_PK, out=rates_PK)


def log_likelihood(errors_PK: Floats, words_PK: Floats) -> Floats:
    """e ln(e / n), 0 without errors; in place, since this is where discovery spends its time."""
    logs_PK = _rates(errors_PK, words_PK)
    np.maximum(logs_PK, _TINY, out=logs_PK)
    np.log(logs_PK, out=logs_PK)
    logs_PK *= errors_PK
    return logs_PK


def largest_gains(*, errors_PS: Counts, words_PS: Counts, families: Families, min_words: int,
                  gain: Gain) -> Floats:
    """The largest gain in each family, per shuffling: (P, F); minus infinity where a family has no split."""
    largest_PF = np.full((len(errors_PS), len(families)), -np.inf)
    for family, members in enumerate(families):
        for candidates in members:
            for rows in _chunks(len(errors_PS), len(candidates)):
                gains_PK = split_gains(errors_PS=errors_PS[rows], words_PS=words_PS[rows], candidates=candidates,
                                       min_words=min_words, gain=gain)
                largest_PF[rows, family] = np.maximum(largest_PF[rows, family], gains_PK.max(axis=1, initial=-np.inf))
    return largest_PF


def _chunks(rows: int, width: int) -> Iterator[slice]:
    height = max(1, CELLS_AT_ONCE // max(width, 1))
    return (slice(start, start + height) for start in range(0, rows, height))


def shuffled_gains(*, errors_S: Integers, words_S: Integers, families: Families, min_words: int, gain: Gain,
                   permutations: int, rng: np.random.Generator) -> Floats:
    """:func:`largest_gains` where whole speakers are shuffled, errors and words together: (P, F)."""
    shuffled_PS = rng.permuted(np.tile(np.arange(len(errors_S)), (permutations, 1)), axis=1)
    return largest_gains(errors_PS=errors_S[shuffled_PS], words_PS=words_S[shuffled_PS], families=families,
                         min_words=min_words, gain=gain)


def permutation_p_value(observed: float, null_PF: Floats) -> float:
    """Share of worlds, this one included, whose best split is at least as good: (1 + #{null >= observed}) / (1 + P).

    The null distribution is that of the *largest* gain over all families, since that is what the search looks for.
    """
    null_P = null_PF.max(axis=1)
    return float(1 + np.count_nonzero(null_P >= observed)) / (1 + len(null_P))


def beyond_chance(observed_F: Floats, null_PF: Floats) -> int:
    """The family whose best split stands highest above what the same search finds in noise, in the median.

    A box has more edges to fit noise with than a straight cut: by gain alone every border would come out as a box.
    """
    found_F = np.isfinite(observed_F)
    usual_F = np.median(np.maximum(null_PF[:, found_F], 0), axis=0)
    return int(np.flatnonzero(found_F)[np.argmax(observed_F[found_F] - usual_F)])
