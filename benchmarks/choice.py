"""How well a rule chooses between arms of mitigation whose true effects are known.

    python -m benchmarks.choice
    python -m benchmarks.choice --trials 50

Speakers are made up: rates of error with heavy tails, about 58 words each, a cohort found on discover speakers as the
worst of several regions, arms that change WER of that cohort and of everyone else by a known factor. All models hear
the same speakers. How much of their errors move from one model to another, and how alike the arms are, was read from a
run of the default world (:data:`MOVING`, :data:`ALIKE`). Each rule then chooses, and is judged by the true effects:

best        share of trials in which it takes the arm of the lowest true WER of the bottom cohort among those whose true
            WER of the whole is within the margin (the base, if no such arm helps)
near        the same, or within 2 % of the base's WER of it
bottom      WER of the bottom cohort that it loses against that arm, in per cent of the base's, mean over trials
whole       likewise of the whole; below zero where it takes an arm that helps the whole more
harm        share of trials in which it takes an arm that truly harms the whole beyond the margin, or the bottom at all

Shapes: S speakers, A arms, M models (the base and the arms).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.hardware import hardware, write_result
from evenvoice.metrics.partitions import FrozenCohort, Partition
from evenvoice.metrics.selection import choose
from evenvoice.metrics.speakers import SplitTable
from evenvoice.params import BASE

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

MARGIN: Final = 0.03
NEAR: Final = 0.02
MOVING: Final = 0.3
"""Share of a model's errors that are its own. In the default world the paired variance of log(W_arm / W_base) over
resampled speakers is 0.2 to 0.5 times that of independent words, median 0.3 (224 speakers, 5 arms)."""
ALIKE: Final = 0.9
"""Share of those that arms of one family make together: changes of fine-tune, L2-SP and EWC correlate at 0.92 to 0.98,
those of other arms at 0.1 to 0.6 (0.5 follows from the base's own errors, which all of them are compared with)."""
WORDS: Final = 58.0
BOTTOM_WER: Final = 0.17
OTHER_WER: Final = 0.06
DISCOVER: Final = 1.5
"""Discover speakers for each validate speaker, as in ingest.split."""
METHOD: Final = "geographic"


@dataclass(frozen=True, kw_only=True)
class Size:
    """Validate speakers, the bottom cohort's share of speakers, coefficient of variation of speakers' rates.

    Attributes:
        bottom_wer: where it is that of everyone else, chance alone picks the bottom cohort on discover speakers.
    """

    validate: int
    share: float
    variation: float
    bottom_wer: float = BOTTOM_WER


SIZES: Final = (Size(validate=60, share=0.15, variation=0.9), Size(validate=64, share=0.34, variation=1.0),
                Size(validate=110, share=0.2, variation=0.7), Size(validate=150, share=0.25, variation=0.8),
                Size(validate=450, share=0.1, variation=1.2), Size(validate=450, share=0.4, variation=0.8),
                Size(validate=110, share=0.25, variation=0.9, bottom_wer=OTHER_WER))


@dataclass(frozen=True, eq=False)
class Scenario:
    """True changes of log WER that arms bring, (A, 2): of the bottom cohort, of everyone else; and who is alike."""

    effects_A2: Floats
    families: tuple[int, ...]


def scenarios(rng: np.random.Generator) -> dict[str, Scenario]:
    """5 to 13 arms; what ``many`` of them bring is drawn anew each time."""
    small_A = np.linspace(-0.07, 0, 8)
    drawn_A2 = rng.normal([-0.03, -0.01], [0.06, 0.04], (13, 2))
    drawn_A2[:, 1] += 0.3 * (drawn_A2[:, 0] + 0.03)
    return {
        "default": _scenario([(-0.10, -0.02), (-0.10, -0.04), (-0.09, -0.04), (-0.03, -0.02), (0.0, 0.0)], "aaabc"),
        "one good": _scenario([(-0.15, -0.05), (0, 0), (0, 0), (0, 0), (0, 0)], "aabcd"),
        "null": _scenario([(0.0, 0.0)] * 8, "aaabcdef"),
        "harms whole": _scenario([(-0.20, 0.25), (-0.20, 0.20), (-0.15, 0.20), (-0.08, 0), (-0.05, -0.02)], "aabcd"),
        "harms bottom": _scenario([(0.10, -0.05), (0.10, -0.05), (0.05, -0.08), (-0.06, -0.02), (0.08, 0)], "aabcd"),
        "all harmful": _scenario([(0.05, 0.05), (0.05, 0.05), (0.08, 0.03), (0.03, 0.08), (0.1, 0.1)], "aabcd"),
        "small": _scenario(list(zip(small_A, small_A / 2, strict=True)), "abcabcab"),
        "many": _scenario([tuple(pair) for pair in drawn_A2], "aaabbccdddefg"),
    }


def _scenario(effects: Sequence[tuple[float, float]], families: str) -> Scenario:
    return Scenario(np.array(effects, dtype=np.float64), tuple(ord(family) - ord("a") for family in families))


@dataclass(frozen=True, eq=False)
class Speakers:
    """Errors of every model, (S, M), words (S,), and who is in the bottom cohort (S,)."""

    errors_SM: Integers
    words_S: Integers
    bottom_S: Mask

    def and_those_of(self, other: Speakers) -> Speakers:
        """Both together."""
        return Speakers(np.concatenate([self.errors_SM, other.errors_SM]),
                        np.concatenate([self.words_S, other.words_S]),
                        np.concatenate([self.bottom_S, other.bottom_S]))

    def table(self, split: str) -> SplitTable:
        """As the evaluation has it; arms are named by their number."""
        models = [BASE, *map(str, range(1, self.errors_SM.shape[1]))]
        return SplitTable(split=split, speakers=np.arange(len(self.words_S)).astype(str).astype(object),
                          words=self.words_S, errors=dict(zip(models, self.errors_SM.T, strict=True)),
                          cohorts={METHOD: np.where(self.bottom_S, "bottom", "rest").astype(object)})


@dataclass(frozen=True, eq=False)
class Trial:
    """One draw of speakers, and the truth about the arms.

    Attributes:
        larger: twice the validate speakers.
        bottom_M: true change of log WER of the bottom cohort; 0 for the base. ``whole_M`` likewise.
    """

    validate: Speakers
    discover: Speakers
    larger: Speakers
    bottom_M: Floats
    whole_M: Floats


def draw(scenario: Scenario, size: Size, rng: np.random.Generator) -> Trial:
    """Speakers of all splits; the bottom cohort is the region with the base's highest WER on discover speakers."""
    regions = max(2, round(1 / size.share))
    order = rng.permutation(len(scenario.families))
    shuffled = Scenario(scenario.effects_A2[order], tuple(scenario.families[arm] for arm in order))
    wers_R = np.full(regions, OTHER_WER)
    wers_R[0] = size.bottom_wer
    shares_R = np.full(regions, (1 - size.share) / (regions - 1))
    shares_R[0] = size.share
    heard = [_Heard.draw(round(speakers), shares_R, wers_R, size.variation, rng)
             for speakers in (DISCOVER * size.validate, size.validate, 2 * size.validate)]
    bottom = heard[0].worst_region(regions)
    discover, validate, larger = (one.under(shuffled, bottom, rng) for one in heard)
    part = shares_R[bottom] * wers_R[bottom] / (shares_R @ wers_R)
    whole_A = np.log(np.exp(shuffled.effects_A2) @ np.array([part, 1 - part]))
    return Trial(validate, discover, larger, np.concatenate([[0.0], shuffled.effects_A2[:, 0]]),
                 np.concatenate([[0.0], whole_A]))


@dataclass(frozen=True, eq=False)
class _Heard:
    """Speakers under the base alone: errors that every model makes, and those of the base."""

    region_S: Integers
    words_S: Integers
    expected_S: Floats
    common_S: Integers
    own_S: Integers

    @classmethod
    def draw(cls, speakers: int, shares_R: Floats, wers_R: Floats, variation: float, rng: np.random.Generator
             ) -> _Heard:
        counts_R = np.maximum(2, np.round(shares_R * speakers).astype(int))
        region_S = np.repeat(np.arange(len(shares_R)), counts_R)
        words_S = np.maximum(5, np.round(WORDS * rng.lognormal(-0.02, 0.2, len(region_S)))).astype(np.int64)
        rates_S = wers_R[region_S] * rng.gamma(1 / variation**2, variation**2, len(region_S))
        expected_S = np.minimum(rates_S, 0.9) * words_S
        return cls(region_S, words_S, expected_S, rng.poisson((1 - MOVING) * expected_S),
                   rng.poisson(MOVING * expected_S))

    def worst_region(self, regions: int) -> int:
        errors_R = np.bincount(self.region_S, self.common_S + self.own_S, regions)
        return int(np.argmax(errors_R / np.bincount(self.region_S, self.words_S, regions)))

    def under(self, scenario: Scenario, bottom: int, rng: np.random.Generator) -> Speakers:
        in_bottom_S = self.region_S == bottom
        alike = {family: rng.poisson(MOVING * ALIKE * self.expected_S) for family in sorted(set(scenario.families))}
        columns = [self.common_S + self.own_S]
        for family, (bottom_effect, other_effect) in zip(scenario.families, scenario.effects_A2, strict=True):
            errors_S = self.common_S + alike[family] + rng.poisson(MOVING * (1 - ALIKE) * self.expected_S)
            factor_S = np.exp(np.where(in_bottom_S, bottom_effect, other_effect))
            kept_S = rng.binomial(errors_S, np.minimum(factor_S, 1))
            columns.append(kept_S + rng.poisson(self.expected_S * np.maximum(factor_S - 1, 0)))
        return Speakers(np.stack(columns, axis=1), self.words_S, in_bottom_S)


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


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a rule is worth, means over trials."""

    best: float
    near: float
    bottom: float
    whole: float
    harm: float

    @classmethod
    def mean(cls, scores: Sequence[Score]) -> Score:
        """Over trials."""
        return cls(**{name: float(np.mean([getattr(score, name) for score in scores]))
                      for name in ("best", "near", "bottom", "whole", "harm")})


def score(trial: Trial, taken: int) -> Score:
    """One choice, by the true effects."""
    harmless_M = trial.whole_M <= np.log1p(MARGIN) + 1e-9
    bottom_M, whole_M = np.expm1(trial.bottom_M), np.expm1(trial.whole_M)
    best = int(np.argmin(np.where(harmless_M, bottom_M, np.inf)))
    lost = float(bottom_M[taken] - bottom_M[best])
    harmless = bool(harmless_M[taken])
    return Score(best=harmless and lost < 1e-9, near=harmless and lost <= NEAR, bottom=lost,
                 whole=float(whole_M[taken] - whole_M[best]), harm=not harmless or bottom_M[taken] > 1e-9)


Judged = dict[str, dict[tuple[str, Size], list[Score]]]


def measure(trials: int, seed: int) -> Judged:
    """Every rule on the same trials: rule -> (scenario, size) -> one score per trial."""
    rng = np.random.default_rng(seed)
    found: Judged = {rule: {} for rule in RULES}
    for size in SIZES:
        for _ in range(trials):
            for name, scenario in scenarios(rng).items():
                trial = draw(scenario, size, rng)
                for rule, take in RULES.items():
                    found[rule].setdefault((name, size), []).append(score(trial, take(trial)))
    return found


def summarised(found: Judged) -> list[dict[str, Any]]:
    """A row per rule: over everything, per scenario and per size."""
    def over(scores: Mapping[tuple[str, Size], list[Score]], wanted: Callable[[str, Size], bool]) -> dict[str, float]:
        return vars(Score.mean([one for key, list_ in scores.items() if wanted(*key) for one in list_]))

    names = list(scenarios(np.random.default_rng(0)))
    return [{"rule": rule, "all": over(scores, lambda _name, _size: True),
             "scenarios": {name: over(scores, partial(_is_of, name=name)) for name in names},
             "sizes": [{**vars(size), **over(scores, partial(_is_of, size=size))} for size in SIZES]}
            for rule, scores in found.items()]


def _is_of(of_name: str, of_size: Size, *, name: str | None = None, size: Size | None = None) -> bool:
    return name in (None, of_name) and size in (None, of_size)


def main(argv: Sequence[str] | None = None) -> Path:
    """Judge every rule; returns where the result was written."""
    parser = argparse.ArgumentParser(description="How well a rule chooses between arms of known effect.")
    parser.add_argument("--trials", type=int, default=400, help="per scenario and size of the corpus")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder of the result, instead of benchmarks/results")
    arguments = parser.parse_args(argv)
    rows = summarised(measure(arguments.trials, arguments.seed))
    print(f"{'per cent':36}{'best':>6}{'near':>6}{'bottom':>8}{'whole':>7}{'harm':>6}")
    for row in rows:
        of = row["all"]
        print(f"{row['rule']:36}{100 * of['best']:6.0f}{100 * of['near']:6.0f}{100 * of['bottom']:8.2f}"
              f"{100 * of['whole']:7.2f}{100 * of['harm']:6.1f}")
    return write_result("choice", {"hardware": hardware(), "trials": arguments.trials, "seed": arguments.seed,
                                   "margin": MARGIN, "moving": MOVING, "alike": ALIKE, "rules": rows}, arguments.out)


if __name__ == "__main__":
    main()
