"""The learning curve is a law with honest bounds, and says nothing where its points bear nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.metrics.bootstrap import Resampled
from evenvoice.wanted.curve import BEND, EXPONENT, TRAINING_NOISE, Law, Point, Range, fit_law

REPLICATES = 2000


def resampled(wer: float, error: float, seed: int) -> Resampled:
    replicates_R = math.log(wer) + np.random.default_rng(seed).normal(0, error, REPLICATES)
    return Resampled(math.log(wer), replicates_R, error, 50)


def points(wers: dict[int, float], *, top: float = 0.04, error: float = 0.05) -> list[Point]:
    return [Point(speakers=speakers, bottom=resampled(wer, error, seed), top=resampled(top, error, 90 + seed))
            for seed, (speakers, wer) in enumerate(wers.items())]


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def law_of(wers: dict[int, float], **settings: float) -> Law:
    return fit_law(points(wers, **settings), rng())


def wer(size: float, *, now: int = 32, others: float = 24.0, excess: float = 0.08, top: float = 0.04,
        exponent: float = EXPONENT) -> float:
    """What a cohort errs whose excess falls with the speakers and with those that others are worth."""
    return top + excess * ((now + others) / (size + others)) ** exponent


CURVE = {size: wer(size) for size in (8, 16, 32)}


def test_a_curve_is_continued_to_the_limit() -> None:
    law = law_of(CURVE)

    assert law.others[0] == pytest.approx(24, rel=0.05)
    assert law.gap(32)[0] == pytest.approx(2.0, rel=0.01)
    # a quarter of the excess is left where 4 ** (1 / EXPONENT) * (32 + 24) speakers and those of others are
    assert law.needed(0.5)[0] == pytest.approx(2 * (32 + 24) - 24, rel=0.03)


@given(others=st.floats(0.1, 10), level=st.floats(0.05, 0.4), now=st.integers(8, 4000), limit=st.floats(0.1, 0.9))
def test_with_the_speakers_that_it_needs_the_gap_is_the_limit(others: float, level: float, now: int,
                                                              limit: float) -> None:
    found = {size: wer(size, now=now, others=others * now, excess=level, top=level / 3)
             for size in (now // 4, now // 2, now)}
    law = law_of(found, top=level / 3)

    assert law.gap(law.needed(limit)[0])[0] == pytest.approx(limit, rel=1e-6)


def test_what_a_new_run_measures_is_less_sure_than_the_curve() -> None:
    law = law_of(CURVE)
    curve, measured = Range.of(law.gap(64)), Range.of(law.gap_measured(64))

    assert measured.estimate == pytest.approx(curve.estimate)
    assert measured.low < curve.low < curve.high < measured.high


@pytest.mark.parametrize("wers", [{8: 0.10, 16: 0.11, 32: 0.12}, {8: 0.121, 16: 0.12, 32: 0.118}])
def test_a_flat_or_rising_curve_is_not_taken_for_help(wers: dict[int, float]) -> None:
    law = law_of(wers)

    assert not law.helps
    assert law.needed(0.5)[0] > 16 * 32


def test_a_steep_curve_is() -> None:
    assert law_of({8: 0.2, 16: 0.14, 32: 0.1}).helps


def test_within_the_limit_nobody_is_missing() -> None:
    assert law_of({8: 0.07, 16: 0.06, 32: 0.05}).needed(0.5)[0] <= 32


def test_a_cohort_that_errs_less_than_the_top_one_needs_nobody() -> None:
    law = law_of({8: 0.05, 16: 0.04, 32: 0.035})

    assert law.needed(0.5)[0] <= 32
    assert np.isfinite(law.gap(64)).all()


def test_bounds_lie_around_the_estimate_and_are_wider_for_fewer_measured() -> None:
    sure, unsure = (Range.of(law_of(CURVE, error=error).needed(0.5)) for error in (0.01, 0.2))

    assert sure.low < sure.estimate < sure.high
    assert unsure.low < sure.low
    assert unsure.high > sure.high


def test_bounds_hold_the_truth_about_as_often_as_they_say() -> None:
    """Trainings and speakers drawn around true laws whose exponents are spread as the forecast takes them to be."""
    now, others, error = 32, 24.0, 0.08
    world = np.random.default_rng(11)
    held = 0
    for _ in range(200):
        exponent = EXPONENT * math.exp(world.normal(0, BEND))
        truth = (now + others) * 4.0 ** (1 / exponent) - others
        found = []
        for size in (8, 16, 32):
            bottom, top = (math.log(level) + world.normal(0, math.hypot(error, TRAINING_NOISE))
                           for level in (wer(size, exponent=exponent), 0.04))
            found.append(Point(speakers=size, **{
                name: Resampled(centre, centre + world.normal(0, error, 300), error, 50)
                for name, centre in (("bottom", bottom), ("top", top))}))
        needed = Range.of(fit_law(found, world).needed(0.5))
        held += needed.low <= truth <= needed.high
    assert 165 <= held <= 198
