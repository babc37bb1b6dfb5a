"""Resampling speakers: intervals of pooled WER, of ratios of WERs, and bounds that hold for many at once.

Speakers are resampled, never utterances: utterances of one speaker share a voice, a microphone and a room, so treating
them as independent makes intervals far too narrow. One matrix of multinomial weights serves every group and every
model of a split, which makes comparisons paired. Everything is done on the logarithm of the pooled WER
(sum of errors over sum of words), where its distribution is closer to symmetric. Bounds are
``estimate +- t(level, freedom) * standard error``, with the bootstrap's standard error and Student's t in place of
percentiles, because percentile intervals are too short for a few dozen speakers (tests/unit/metrics/test_coverage.py).

Shapes: S speakers, R replicates, K columns, M models.
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


class SpeakerBootstrap:
    """The replicates of one split; every group and model of the split shares them."""

    def __init__(self, speakers: int, replicates: int, rng: np.random.Generator) -> None:
        self._weights_RS = multinomial_weights(speakers, replicates, rng)

    def sums(self, columns_SK: NDArray[Any], members_S: Mask) -> Floats:
        """(R, K) weighted sums of each column over the members."""
        chosen_SK = np.asarray(columns_SK[members_S], dtype=np.float64)
        sums_RK = np.empty((len(self._weights_RS), chosen_SK.shape[1]))
        for rows in _chunks(len(self._weights_RS), self._weights_RS.shape[1]):
            sums_RK[rows] = self._weights_RS[rows][:, members_S].astype(np.float64) @ chosen_SK
        return sums_RK

    def log_wers(self, errors_SM: NDArray[Any], words_S: NDArray[Any], members_S: Mask) -> list[Resampled]:
        """Log of the pooled WER of one group under each of M models.

        A group without words has NaN throughout.
        """
        sums_RK = self.sums(np.column_stack([words_S, errors_SM]), members_S)
        words = float(words_S[members_S].sum())
        speakers = int(np.count_nonzero(words_S[members_S]))
        return [_log_wer(errors=float(errors_S[members_S].sum()), words=words, speakers=speakers,
                         errors_R=sums_RK[:, column + 1], words_R=sums_RK[:, 0])
                for column, errors_S in enumerate(errors_SM.T)]

    def log_wer(self, table: SpeakerTable, members_S: Mask | None = None) -> Resampled:
        """:meth:`log_wers` of one model; everyone, unless ``members_S`` says who."""
        members = np.ones(len(table.words), dtype=bool) if members_S is None else members_S
        return self.log_wers(table.errors[:, None], table.words, members)[0]


def _log_wer(*, errors: float, words: float, speakers: int, errors_R: Floats, words_R: Floats) -> Resampled:
    if words == 0:
        return Resampled(float("nan"), np.full(len(words_R), np.nan), float("nan"), 0)
    estimate = float(np.log(max(errors, HALF_AN_ERROR) / words))
    with np.errstate(divide="ignore"):
        replicates_R = np.where(words_R > 0, np.log(np.maximum(errors_R, HALF_AN_ERROR)) - np.log(words_R), np.nan)
    spread = _standard_error(replicates_R, speakers)
    return Resampled(estimate, replicates_R, max(spread, counting_error(errors, words)), speakers - 1)


def counting_error(errors: float, words: float) -> float:
    """Standard error of a log WER if every word were independent: binomial, the least there can be.

    It takes the place of the bootstrap's where a few speakers happen to agree, above all where nobody made an error.
    """
    return float(np.sqrt(max(0.0, 1 - errors / words) / max(errors, 1)))


def _standard_error(replicates_R: Floats, speakers: int) -> float:
    """Resampling S speakers understates the variance by (S - 1) / S."""
    return float(np.nanstd(replicates_R)) * float(np.sqrt(speakers / (speakers - 1))) if speakers > 1 else 0.0


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
