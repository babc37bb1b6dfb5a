"""Made-up speakers under a base model and under arms whose true effects are known.

Shapes: S speakers, A arms, M models (the base and the arms), R regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.metrics.speakers import SplitTable
from evenvoice.params import BASE

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

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
