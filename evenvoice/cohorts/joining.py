"""Clusters joined into cohorts of speakers who are served alike, as far as chance explains how clusters differ.

At first all clusters are one cohort. Best first, a cohort is parted in two: its clusters are ordered by WER, and the
cut of that order with the largest Poisson likelihood ratio counts; no other way of parting them in two has a larger
one (L. Breiman et al., Classification and Regression Trees, 1984, on categories). In the permutation test whole
speakers are shuffled and clusters ordered anew each time, so chance has the same freedom. Validate speakers have to
show the difference in the same direction.

Shapes: S speakers, C clusters, P shufflings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.cohorts.permutation import log_likelihood
from evenvoice.cohorts.table import CohortTable, Floats, Integers, word_error_rate
from evenvoice.cohorts.tree import MIN_VALIDATE_SPEAKERS
from evenvoice.metrics.dealing import DEALT_ALONE, Dealing

NOT_CUT: Final = -np.inf
Part = tuple[int, ...]
"""Numbers of clusters."""


@dataclass(frozen=True, kw_only=True)
class JoiningSettings:
    """When parting ends: see the fields of the same name in evenvoice.params.Discover."""

    max_cohorts: int
    permutations: int
    significance: float
    min_speakers: int
    min_words: int


@dataclass(frozen=True, kw_only=True)
class ConsideredPart:
    """A cohort that was looked at, and what became of it: parted in ``worse`` and ``better``, or left, and why."""

    worse: Part
    better: Part
    speakers: int
    gain: float
    p_value: float
    kept: bool
    why: str


@dataclass(frozen=True, kw_only=True)
class Clustered:
    """Speakers of one split in their clusters."""

    errors_S: Integers
    words_S: Integers
    cluster_S: NDArray[np.intp]

    @classmethod
    def of(cls, table: CohortTable, cluster_S: NDArray[np.intp]) -> Clustered:
        """Those who have a cluster."""
        placed_S = cluster_S >= 0
        return cls(errors_S=table.errors[placed_S], words_S=table.words[placed_S], cluster_S=cluster_S[placed_S])

    def within(self, part: Part) -> Clustered:
        """The speakers of some clusters."""
        here_S = np.isin(self.cluster_S, part)
        return Clustered(errors_S=self.errors_S[here_S], words_S=self.words_S[here_S], cluster_S=self.cluster_S[here_S])

    def wer(self, part: Part) -> float:
        """Pooled WER of some clusters; NaN without words."""
        own = self.within(part)
        return word_error_rate(own.errors_S, own.words_S)


def parted(*, clusters: int, discover: Clustered, validate: Clustered, settings: JoiningSettings,
           rng: np.random.Generator) -> list[ConsideredPart]:
    """Part the cohort of all clusters, best first; returns every part that was looked at, in that order."""
    considered: list[ConsideredPart] = []
    open_parts = [tuple(range(clusters))]
    left = settings.max_cohorts - 1
    while left and open_parts:
        gains = [_best_cut(discover.within(part), part, settings)[0] for part in open_parts]
        best = int(np.argmax(gains))
        part = open_parts.pop(best)
        if gains[best] == NOT_CUT:
            break
        item = _tested(part, discover.within(part), validate.within(part), settings, rng)
        considered.append(item)
        if item.kept:
            open_parts += [item.worse, item.better]
            left -= 1
    return considered


def cohorts_after(clusters: int, considered: list[ConsideredPart], cohorts: int) -> list[Part]:
    """The parts that there were when there were so many."""
    parts = [tuple(range(clusters))]
    for item in [item for item in considered if item.kept][:cohorts - 1]:
        parts.remove(tuple(sorted((*item.worse, *item.better))))
        parts += [item.worse, item.better]
    return parts


def _tested(part: Part, discover: Clustered, validate: Clustered, settings: JoiningSettings,
            rng: np.random.Generator) -> ConsideredPart:
    gain, worse = _best_cut(discover, part, settings)
    better = tuple(sorted(set(part) - set(worse)))
    as_good = sum(_cut_of(counts_C3, part, settings)[0] >= gain
                  for counts_C3 in _by_chance(discover, part, settings, rng))
    p_value = (1 + as_good) / (1 + settings.permutations)
    kept, why = _judged(worse, better, discover, validate, p_value, settings)
    return ConsideredPart(worse=worse, better=better, speakers=len(discover.words_S), gain=gain, p_value=p_value,
                          kept=kept, why=why)


def _judged(worse: Part, better: Part, discover: Clustered, validate: Clustered, p_value: float,
            settings: JoiningSettings) -> tuple[bool, str]:
    if p_value > settings.significance:
        return False, f"chance alone parts them as well in {p_value:.1%} of shufflings"
    fewest = min(len(validate.within(side).words_S) for side in (worse, better))
    if fewest < MIN_VALIDATE_SPEAKERS:
        return False, f"{fewest} validate speakers on its smaller side, {MIN_VALIDATE_SPEAKERS} needed"
    found, shown = (heard.wer(worse) - heard.wer(better) for heard in (discover, validate))
    if not shown > 0:
        return False, f"WER differs by {found:+.1%} on discover but {shown:+.1%} on validate speakers"
    return True, f"WER differs by {found:+.1%} on discover and {shown:+.1%} on validate speakers"


def _by_chance(heard: Clustered, part: Part, settings: JoiningSettings, rng: np.random.Generator) -> Iterator[Floats]:
    """Counts of clusters when whole speakers are in clusters that chance gave them; how many a cluster has stays."""
    if len(heard.cluster_S) > DEALT_ALONE:
        number_S = np.searchsorted(part, heard.cluster_S)
        yield from Dealing(number_S, _counted(heard), len(part)).deal(settings.permutations, rng)
        return
    for _ in range(settings.permutations):
        yield _counts(Clustered(errors_S=heard.errors_S, words_S=heard.words_S,
                                cluster_S=rng.permutation(heard.cluster_S)), part)


def _counted(heard: Clustered) -> Integers:
    """One, words and errors of each speaker (S, 3)."""
    return np.column_stack([np.ones_like(heard.words_S), heard.words_S, heard.errors_S])


def _counts(heard: Clustered, part: Part) -> Floats:
    """Speakers, words and errors of each cluster of a part (C, 3)."""
    clusters_C = np.array(part, dtype=np.intp)
    return np.column_stack([np.bincount(heard.cluster_S, weights_S, clusters_C.max() + 1)[clusters_C]
                            for weights_S in _counted(heard).T])


def _best_cut(heard: Clustered, part: Part, settings: JoiningSettings) -> tuple[float, Part]:
    """The largest gain, and the clusters on the worse side of it; minus infinity where no cut is allowed."""
    return _cut_of(_counts(heard, part), part, settings) if len(heard.cluster_S) else (NOT_CUT, ())


def _cut_of(counts_C3: Floats, part: Part, settings: JoiningSettings) -> tuple[float, Part]:
    speakers_C, words_C, errors_C = counts_C3.T
    order_C = np.argsort(-(errors_C / np.maximum(words_C, 1)), kind="stable")
    speakers_K, words_K, errors_K = (counts_C[order_C].cumsum() for counts_C in (speakers_C, words_C, errors_C))
    gains_K = _gains(errors_K, words_K)
    gains_K[_smaller_side(speakers_K) < settings.min_speakers] = NOT_CUT
    gains_K[_smaller_side(words_K) < settings.min_words] = NOT_CUT
    if not len(gains_K) or gains_K.max() == NOT_CUT:
        return NOT_CUT, ()
    cut = int(gains_K.argmax())
    return float(gains_K[cut]), tuple(sorted(np.array(part)[order_C[:cut + 1]].tolist()))


def _gains(errors_K: Floats, words_K: Floats) -> Floats:
    """Of a cut behind each cluster but the last, from cumulative counts."""
    one, other, both = ((errors_K[:-1], words_K[:-1]), (errors_K[-1] - errors_K[:-1], words_K[-1] - words_K[:-1]),
                        (errors_K[-1:], words_K[-1:]))
    gains_K: Floats = log_likelihood(*one) + log_likelihood(*other) - log_likelihood(*both)
    return gains_K


def _smaller_side(counts_K: Floats) -> Floats:
    smaller_K: Floats = np.minimum(counts_K[:-1], counts_K[-1] - counts_K[:-1])
    return smaller_K
