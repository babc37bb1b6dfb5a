"""Resampling speakers: intervals of pooled WER, of ratios of WERs, and bounds that hold for many at once.

Speakers are resampled, never utterances: utterances of one speaker share a voice, a microphone and a room, so treating
them as independent makes intervals far too narrow. One matrix of multinomial weights serves every group and every
model of a split, which makes comparisons paired. Everything is done on the logarithm of the pooled WER
(sum of errors over sum of words), where its distribution is closer to symmetric. Bounds are
``estimate +- t(level, freedom) * standard error``, with the bootstrap's standard error and Student's t in place of
percentiles, because percentile intervals are too short for a few dozen speakers (tests/unit/metrics/test_coverage.py).

Beyond :data:`RESAMPLED_ALONE` speakers random groups of speakers are resampled in their place. Sums over independent
speakers vary as much from group to group as the speakers in them say, so standard errors stay what they are (random
groups, K. M. Wolter, Introduction to Variance Estimation, 2007, ch. 2), while work and memory no longer grow.

Shapes: S speakers, U units that are resampled (speakers, or groups of them), R replicates, K columns, M models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from evenvoice.errors import ArtifactError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Weights = NDArray[np.uint8]
Mask = NDArray[np.bool_]

HALF_AN_ERROR: Final = 0.5
"""Stands in for no errors at all, so that a logarithm exists; with :func:`counting_error` the one-sided 95 % bound is
then 2.6 errors, where the exact one for independent words is 3.0."""
NEVER_THE_LARGEST: Final = -1e3
"""Stands for a standardised replicate in which the group was not drawn."""
RESAMPLED_ALONE: Final = 10_000
"""Speakers that are resampled one by one; of more there are as many groups. A standard error from so many groups is
itself uncertain by less than one per cent."""
CELLS_AT_ONCE: Final = 2_000_000
"""Weights drawn or multiplied together: bounds the working memory to some 16 MB."""


@dataclass(frozen=True)
class Interval:
    """An estimate between its bounds; all three NaN where nothing was measured."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class SpeakerTable:
    """Errors and reference words of each speaker, both (S,).

    Raises:
        ArtifactError: lengths differ, or a count is negative, NaN or infinite.
    """

    errors: NDArray[Any]
    words: NDArray[Any]

    def __post_init__(self) -> None:
        if self.errors.ndim != 1 or self.errors.shape != self.words.shape:
            raise ArtifactError(name="table of speakers", rule="hold one count of errors and one of words per speaker",
                                value=f"shapes {self.errors.shape} and {self.words.shape}",
                                action="Run the transcribe stage again.")
        for name, counts in (("errors", self.errors), ("words", self.words)):
            if not np.all(np.isfinite(counts)) or np.any(counts < 0):
                raise ArtifactError(name=f"{name} of a speaker", rule="be a count", value=_first_bad(counts),
                                    action="Run the transcribe stage again.")

    @property
    def wer(self) -> float:
        """Pooled WER; NaN without words, so that an empty group is never a perfect one."""
        words = self.words.sum()
        return float(self.errors.sum() / words) if words else float("nan")


def _first_bad(counts: NDArray[Any]) -> object:
    return counts[~np.isfinite(counts) | (counts < 0)][0]


def multinomial_weights(speakers: int, replicates: int, rng: np.random.Generator) -> Weights:
    """How often each speaker is drawn in each replicate: (R, S) counts whose rows add up to S.

    A count above 255 has a chance below 1e-500, so a byte holds it: 2000 replicates of 10 000 speakers take 20 MB.
    """
    weights_RS = np.empty((replicates, speakers), dtype=np.uint8)
    for rows in _chunks(replicates, speakers):
        drawn = rng.integers(0, speakers, size=(rows.stop - rows.start, speakers))
        drawn += speakers * np.arange(len(drawn))[:, None]
        counts = np.bincount(drawn.ravel(), minlength=drawn.size)
        weights_RS[rows] = counts.reshape(drawn.shape)
    return weights_RS


def _units(speakers: int, rng: np.random.Generator) -> NDArray[np.intp] | None:
    """Which of :data:`RESAMPLED_ALONE` groups of equal size each speaker is in, by chance; None where each is one."""
    return rng.permutation(speakers) % RESAMPLED_ALONE if speakers > RESAMPLED_ALONE else None


def _chunks(replicates: int, speakers: int) -> list[slice]:
    height = max(1, CELLS_AT_ONCE // max(speakers, 1))
    return [slice(start, min(start + height, replicates)) for start in range(0, replicates, height)]


@dataclass(frozen=True, eq=False)
class Resampled:
    """The logarithm of a WER or of a ratio of WERs, and what resampling the speakers makes of it.

    Attributes:
        replicates: (R,) the same logarithm in each replicate; NaN where a group was not drawn at all.
        freedom: degrees of freedom of the standard error; below 1 there is nothing to bound with.
    """

    estimate: float
    replicates: Floats
    standard_error: float
    freedom: float

    def lower(self, level: float) -> float:
        """One-sided lower bound, exceeded by the truth with probability ``level``."""
        return self.estimate - self._reach(level)

    def upper(self, level: float) -> float:
        """One-sided upper bound."""
        return self.estimate + self._reach(level)

    def interval(self, confidence: float) -> Interval:
        """Two-sided interval, still as logarithms."""
        level = (1 + confidence) / 2
        return Interval(self.estimate, self.lower(level), self.upper(level))

    def _reach(self, level: float) -> float:
        if self.standard_error == 0:
            return 0.0  # two models that made the same errors
        return float(stdtrit(self.freedom, level)) * self.standard_error if self.freedom >= 1 else float("nan")


@dataclass(frozen=True, eq=False)
class Drawn:
    """Columns summed over one group.

    Attributes:
        heard_U: members in each unit who said something.
        totals_K: over the speakers as they are.
        sums_RK: over the resampled ones.
    """

    heard_U: Integers
    totals_K: Floats
    sums_RK: Floats

    def without(self, group: Drawn) -> Drawn:
        """The rest of this one, where a group that lies in it is left out."""
        return Drawn(self.heard_U - group.heard_U, self.totals_K - group.totals_K, self.sums_RK - group.sums_RK)

    def log_wers(self) -> list[Resampled]:
        """Log of the pooled WER of each column over the first one; NaN throughout without words."""
        units = int(np.count_nonzero(self.heard_U))
        return [_log_wer(errors=float(errors), words=float(self.totals_K[0]), units=units, errors_R=errors_R,
                         words_R=self.sums_RK[:, 0])
                for errors, errors_R in zip(self.totals_K[1:], self.sums_RK.T[1:], strict=True)]


class SpeakerBootstrap:
    """The replicates of one split; every group and model of the split shares them."""

    def __init__(self, speakers: int, replicates: int, rng: np.random.Generator) -> None:
        self._unit_S = _units(speakers, rng)
        self._weights_RU = multinomial_weights(min(speakers, RESAMPLED_ALONE), replicates, rng)

    def draw(self, columns_SK: NDArray[Any], words_S: NDArray[Any], groups: Sequence[Mask]) -> list[Drawn]:
        """Sums of each column over the members of each group, together since the weights are read but once."""
        totals = [self._totals(columns_SK, members_S) for members_S in groups]
        width = columns_SK.shape[1]
        sums_RK = np.empty((len(self._weights_RU), width * len(groups)))
        everything_UK = np.concatenate(totals, axis=1)
        for rows in _chunks(*self._weights_RU.shape):
            sums_RK[rows] = self._weights_RU[rows].astype(np.float64) @ everything_UK
        return [Drawn(self._heard(words_S, members_S), totals_UK.sum(axis=0),
                      sums_RK[:, place * width:(place + 1) * width])
                for place, (members_S, totals_UK) in enumerate(zip(groups, totals, strict=True))]

    def log_wers(self, errors_SM: NDArray[Any], words_S: NDArray[Any], groups: Sequence[Mask]) -> list[list[Resampled]]:
        """Log of the pooled WER of each group under each of M models."""
        return [drawn.log_wers() for drawn in self.draw(np.column_stack([words_S, errors_SM]), words_S, groups)]

    def log_wer(self, table: SpeakerTable, members_S: Mask | None = None) -> Resampled:
        """:meth:`log_wers` of one group under one model; everyone, unless ``members_S`` says who."""
        members = np.ones(len(table.words), dtype=bool) if members_S is None else members_S
        return self.log_wers(table.errors[:, None], table.words, [members])[0][0]

    def units_of(self, speaker_N: NDArray[np.intp]) -> NDArray[np.intp]:
        """The unit (N,) that each of these speakers is resampled with."""
        return speaker_N if self._unit_S is None else self._unit_S[speaker_N]

    def _totals(self, columns_SK: NDArray[Any], members_S: Mask) -> Floats:
        """Sums of each column over the members in each unit (U, K)."""
        if self._unit_S is None:
            return np.where(members_S[:, None], columns_SK, 0).astype(np.float64)
        unit_N, chosen_NK = self._unit_S[members_S], columns_SK[members_S]
        return np.column_stack([np.bincount(unit_N, column_N, RESAMPLED_ALONE) for column_N in chosen_NK.T])

    def _heard(self, words_S: NDArray[Any], members_S: Mask) -> Integers:
        heard_S = members_S & (words_S > 0)
        if self._unit_S is None:
            return heard_S.astype(np.int64)
        return np.bincount(self._unit_S[heard_S], minlength=RESAMPLED_ALONE)


def _log_wer(*, errors: float, words: float, units: int, errors_R: Floats, words_R: Floats) -> Resampled:
    if words == 0:
        return Resampled(float("nan"), np.full(len(words_R), np.nan), float("nan"), 0)
    estimate = float(np.log(max(errors, HALF_AN_ERROR) / words))
    with np.errstate(divide="ignore"):
        replicates_R = np.where(words_R > 0, np.log(np.maximum(errors_R, HALF_AN_ERROR)) - np.log(words_R), np.nan)
    spread = _standard_error(replicates_R, units)
    return Resampled(estimate, replicates_R, max(spread, counting_error(errors, words)), units - 1)


def counting_error(errors: float, words: float) -> float:
    """Standard error of a log WER if every word were independent: binomial, the least there can be.

    It takes the place of the bootstrap's where a few speakers happen to agree, above all where nobody made an error.
    """
    return float(np.sqrt(max(0.0, 1 - errors / words) / max(errors, 1)))


def dispersion(table: SpeakerTable) -> float:
    """How much speakers' rates differ, as the variance of a factor with mean 1: phi of :func:`dispersion_error`.

    By moments over everyone, so groups that differ count as speakers who do; 0 where chance alone explains it.
    """
    words_S, expected_S = table.words.astype(np.float64), table.wer * table.words
    if not table.errors.sum() or len(words_S) < 2:
        return 0.0
    excess = len(words_S) / (len(words_S) - 1) * float(((table.errors - expected_S) ** 2).sum()) - expected_S.sum()
    return max(0.0, float(excess / (expected_S**2).sum()))


def dispersion_error(phi: float, *, errors: float, words_S: NDArray[Any]) -> float:
    """Standard error of the log WER of a group whose speakers differ as much as everyone does [design].

    Errors of a speaker with w words have the variance W w + phi (W w)^2. A few speakers of uneven rates often show too
    little of how much they differ, and most of all where their WER came out low: a bound that goes by them alone is
    too near (docs/fairness.md).
    """
    words_N = words_S.astype(np.float64)
    return float(np.sqrt(1 / max(errors, 1) + phi * (words_N**2).sum() / words_N.sum() ** 2))


def _standard_error(replicates_R: Floats, units: int) -> float:
    """Resampling U units understates the variance by (U - 1) / U."""
    return float(np.nanstd(replicates_R)) * float(np.sqrt(units / (units - 1))) if units > 1 else 0.0


def ratio_of_groups(group: Resampled, reference: Resampled) -> Resampled:
    """Log of the ratio of the WERs of two disjoint groups; Welch-Satterthwaite degrees of freedom."""
    one, other = group.standard_error**2, reference.standard_error**2
    measured = min(group.freedom, reference.freedom) >= 1 and one + other > 0
    freedom = ((one + other) ** 2 / (one**2 / group.freedom + other**2 / reference.freedom) if measured
               else min(group.freedom, reference.freedom))
    return Resampled(group.estimate - reference.estimate, group.replicates - reference.replicates,
                     float(np.sqrt(one + other)), freedom)


def ratio_of_models(model: Resampled, reference: Resampled) -> Resampled:
    """Log of the ratio of the WERs of two models on the same speakers: paired, replicate by replicate."""
    if not model.freedom >= 1:
        return Resampled(model.estimate - reference.estimate, model.replicates - reference.replicates,
                         float("nan"), model.freedom)
    paired_R = model.replicates - reference.replicates
    return Resampled(model.estimate - reference.estimate, paired_R,
                     _standard_error(paired_R, round(model.freedom) + 1), model.freedom)


def simultaneous_level(statistics: Sequence[Resampled], confidence: float) -> float:
    """One-sided level at which all lower bounds hold together with probability ``confidence``.

    Max-t (Westfall and Young 1993): the quantile of the largest standardised replicate, which knows that claims about
    overlapping groups rise and fall together, turned back into a level. Between ``confidence`` and Bonferroni's.
    """
    standard_KR = [_standardised(statistic.replicates) for statistic in statistics
                   if np.nanstd(statistic.replicates) > 0]  # without errors there is nothing to be large
    if not standard_KR:
        return confidence
    largest_R = np.max(np.stack(standard_KR), axis=0)
    return max(confidence, float(ndtr(np.quantile(largest_R, confidence))))


def _standardised(replicates_R: Floats) -> Floats:
    standard_R = (replicates_R - np.nanmean(replicates_R)) / np.nanstd(replicates_R)
    return np.where(np.isnan(standard_R), NEVER_THE_LARGEST, standard_R)


def wer_interval(log_wer: Resampled, *, errors: float, confidence: float) -> Interval:
    """WER between its bounds; without errors the estimate and the lower bound are 0."""
    bounds = log_wer.interval(confidence)
    low, estimate = (0.0, 0.0) if errors == 0 else (float(np.exp(bounds.low)), float(np.exp(bounds.estimate)))
    return Interval(estimate, low, float(np.exp(bounds.high)))


def relative_interval(log_ratio: Resampled, *, errors: float, confidence: float) -> Interval:
    """Relative difference, ratio - 1, between its bounds.

    Args:
        errors: of the numerator; without any, the estimate and the lower bound are -1.
    """
    bounds = log_ratio.interval(confidence)
    low, estimate = (-1.0, -1.0) if errors == 0 else (float(np.expm1(bounds.low)), float(np.expm1(bounds.estimate)))
    return Interval(estimate, low, float(np.expm1(bounds.high)))


def compare_models(model: SpeakerTable, reference: SpeakerTable, *, replicates: int, confidence: float,
                   seed: int) -> Interval:
    """(W_model - W_reference) / W_reference on the same speakers, in the same order, by paired bootstrap.

    Raises:
        ArtifactError: the tables do not hold the same words, so they are not about the same speakers.
    """
    if not np.array_equal(model.words, reference.words):
        raise ArtifactError(name="two models' tables of speakers", rule="hold the same words for the same speakers",
                            value=f"{model.words.sum()} and {reference.words.sum()} words",
                            action="Transcribe the same recordings with both models.")
    bootstrap = SpeakerBootstrap(len(model.words), replicates, np.random.default_rng(seed))
    change = ratio_of_models(bootstrap.log_wer(model), bootstrap.log_wer(reference))
    return relative_interval(change, errors=float(model.errors.sum()), confidence=confidence)
