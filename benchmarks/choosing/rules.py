"""Rules that choose between arms by what speakers heard: the shipped one, and those that it was held against.

Shapes: S speakers, A arms, M models (the base and the arms).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.choosing.speakers import BOTTOM_WER, METHOD, OTHER_WER, Floats, Integers, Mask, Speakers, Trial
from evenvoice.metrics.partitions import FrozenCohort, Partition
from evenvoice.metrics.selection import choose
from evenvoice.params import BASE

MARGIN: Final = 0.03


@dataclass(frozen=True, eq=False)
class Effects:
    """Estimated changes of log WER by each arm, and the covariance of what chance adds.

    Attributes:
        top_A: of everyone else than the bottom cohort, whom the gate does not let anybody level down.
        covariance: (2A, 2A) of bottom_A and whole_A, one after the other, by the infinitesimal jackknife over speakers.
    """

    bottom_A: Floats
    whole_A: Floats
    top_A: Floats
    covariance: Floats

    @classmethod
    def of(cls, speakers: Speakers) -> Effects:
        """Of the arms against the base, paired."""
        everyone = np.ones(len(speakers.words_S), dtype=bool)
        bottom_A, of_bottom_SA = _changes(speakers.errors_SM, speakers.bottom_S)
        whole_A, of_whole_SA = _changes(speakers.errors_SM, everyone)
        influence = np.hstack([of_bottom_SA, of_whole_SA])
        top_A, _ = _changes(speakers.errors_SM, ~speakers.bottom_S)
        return cls(bottom_A, whole_A, top_A, influence.T @ influence)

    def shrunk(self, towards: str) -> Effects:
        """Each figure by itself: empirical Bayes with the variance over arms by moments (Morris 1983)."""
        arms = len(self.bottom_A)
        variance = np.maximum(np.diag(self.covariance), 1e-8)
        return Effects(_shrunk(self.bottom_A, variance[:arms], towards),
                       _shrunk(self.whole_A, variance[arms:], towards), self.top_A, self.covariance)

    def shrunk_together(self) -> Effects:
        """Posterior means under one normal prior of all arms and both figures, which share their noise.

        Arms change the bottom by 10 % and the whole by 6 % (standard deviations), half of it shared by all arms, and
        the two changes of an arm correlate at 0.7 [design].
        """
        arms = len(self.bottom_A)
        figures = np.array([[0.1**2, 0.7 * 0.1 * 0.06], [0.7 * 0.1 * 0.06, 0.06**2]])
        prior = np.kron(figures, 0.5 * np.eye(arms) + 0.5)
        estimates = np.concatenate([self.bottom_A, self.whole_A])
        posterior = prior @ np.linalg.solve(prior + self.covariance + 1e-9 * np.eye(2 * arms), estimates)
        return Effects(posterior[:arms], posterior[arms:], self.top_A, self.covariance)

    def within(self, *, top: bool) -> Mask:
        """(A,) arms that keep the margin on the whole, and on the top cohort where that is asked for."""
        kept_A: Mask = self.whole_A <= np.log1p(MARGIN)
        return kept_A & (self.top_A <= np.log1p(MARGIN)) if top else kept_A


def _changes(errors_SM: Integers, members_S: Mask) -> tuple[Floats, Floats]:
    """Log ratios to the base, (A,), and each speaker's influence on them, (S, A)."""
    totals_M = np.maximum(errors_SM[members_S].sum(axis=0), 0.5)
    speakers = np.count_nonzero(members_S)
    influence_SM = np.where(members_S[:, None], errors_SM / totals_M - 1 / speakers, 0)
    scale = np.sqrt(speakers / (speakers - 1))
    return np.log(totals_M[1:] / totals_M[0]), scale * (influence_SM[:, 1:] - influence_SM[:, :1])


def _shrunk(changes_A: Floats, variance_A: Floats, towards: str) -> Floats:
    centre = np.average(changes_A, weights=1 / variance_A) if towards == "mean" else 0.0
    lost = 1 if towards == "mean" else 0
    spread = ((changes_A - centre) ** 2).sum() / (len(changes_A) - lost)
    between = max(0.0, float(spread - variance_A.mean()))
    return np.asarray(centre + (changes_A - centre) * between / (between + variance_A))


def lowest(effects: Effects, *, joint: float = 0.0, top: bool = False) -> int:
    """The arm with the lowest score that harms the whole by no more than the margin; 0, the base, if none is below it.

    Args:
        joint: weight of the whole in the score; the rest is the bottom cohort's.
        top: whether the top cohort has to keep the margin too.
    """
    score_A = (1 - joint) * effects.bottom_A + joint * effects.whole_A
    score_A = np.where(effects.within(top=top), score_A, np.inf)
    best = int(np.argmin(score_A))
    return best + 1 if score_A[best] < 0 else 0


def crossed(validate: Speakers, discover: Speakers, *, joint: float = 0.0, together: bool = False,
            top: bool = False) -> int:
    """As :func:`lowest` over both, but an arm must beat the base on validate speakers by themselves too."""
    alone, both = Effects.of(validate), Effects.of(validate.and_those_of(discover))
    both = both.shrunk_together() if together else both
    score_A = (1 - joint) * both.bottom_A + joint * both.whole_A
    eligible_A = (alone.bottom_A < 0) & (both.bottom_A < 0) & both.within(top=top)
    best = int(np.argmin(np.where(eligible_A, score_A, np.inf)))
    return best + 1 if eligible_A[best] else 0


def shipped(validate: Speakers, discover: Speakers | None) -> int:
    """What :func:`evenvoice.metrics.selection.choose` takes."""
    chosen = choose(validate.table("validate"), PARTITION, MARGIN, controls=(),
                    discover=None if discover is None else discover.table("discover"))
    return 0 if chosen.challenger == BASE else int(chosen.challenger)


PARTITION: Final = Partition(method=METHOD, applicable=True, reason="made for the benchmark", cohorts=tuple(
    FrozenCohort(cohort=cohort, rule=cohort, discover_speakers=1, discover_words=1, discover_wer=wer)
    for cohort, wer in (("bottom", BOTTOM_WER), ("rest", OTHER_WER))))

RULES: Final[Mapping[str, Callable[[Trial], int]]] = {
    "the base, always": lambda trial: 0,
    "lowest on validate": lambda trial: lowest(Effects.of(trial.validate)),
    "twice the validate speakers": lambda trial: lowest(Effects.of(trial.larger)),
    "shrunk to zero": lambda trial: lowest(Effects.of(trial.validate).shrunk("zero")),
    "shrunk to the mean": lambda trial: lowest(Effects.of(trial.validate).shrunk("mean")),
    "shrunk together": lambda trial: lowest(Effects.of(trial.validate).shrunk_together()),
    "joint, 0.3 of the whole": lambda trial: lowest(Effects.of(trial.validate), joint=0.3),
    "joint, 0.5 of the whole": lambda trial: lowest(Effects.of(trial.validate), joint=0.5),
    "with discover": lambda trial: crossed(trial.validate, trial.discover),
    "shipped: with discover, and the top cohort": lambda trial: shipped(trial.validate, trial.discover),
    "with discover, the base there too": lambda trial: lowest(
        Effects.of(trial.validate.and_those_of(trial.discover))),
    "with discover, joint 0.3": lambda trial: crossed(trial.validate, trial.discover, joint=0.3),
    "with discover, shrunk together": lambda trial: crossed(trial.validate, trial.discover, together=True),
    "with discover, twice validate": lambda trial: crossed(trial.larger, trial.discover),
}
"""``lowest on validate`` is the rule that shipped before."""
