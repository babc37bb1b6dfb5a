"""The learning curve is a power law with honest bounds, and says nothing where its points bear nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.metrics.bootstrap import Resampled
from evenvoice.wanted.curve import BEND, Point, Range, fit_law

REPLICATES = 2000


def resampled(wer: float, error: float, seed: int) -> Resampled:
    replicates_R = math.log(wer) + np.random.default_rng(seed).normal(0, error, REPLICATES)
    return Resampled(math.log(wer), replicates_R, error, 50)


def points(wers: dict[int, float], *, top: float = 0.04, error: float = 0.05) -> list[Point]:
    return [Point(speakers=speakers, bottom=resampled(wer, error, seed), top=resampled(top, error, 90 + seed))
            for seed, (speakers, wer) in enumerate(wers.items())]


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_a_power_law_is_continued_to_the_limit() -> None:
    # halving with every four times as many: 0.16, 0.113, 0.08; the limit, 0.06, is where 32 * (4 / 3)^2 speakers are
    law = fit_law(points({8: 0.16, 16: 0.16 / math.sqrt(2), 32: 0.08}), rng())

    assert law.exponent[0] == pytest.approx(0.5)
    assert law.gap(32)[0] == pytest.approx(1.0)
    assert law.needed(0.5)[0] == pytest.approx(32 * (0.08 / 0.06) ** 2)
    assert law.gap(law.needed(0.5)[0])[0] == pytest.approx(0.5)


@given(exponent=st.floats(0.1, 1.5), level=st.floats(0.05, 0.4), now=st.integers(8, 4000), limit=st.floats(0.1, 0.9))
def test_with_the_speakers_that_it_needs_the_gap_is_the_limit(exponent: float, level: float, now: int,
                                                              limit: float) -> None:
    sizes = (now // 4, now // 2, now)
    law = fit_law(points({size: level * (size / now) ** -exponent for size in sizes}, top=level / 3), rng())

    assert law.gap(law.needed(limit)[0])[0] == pytest.approx(limit, rel=1e-6)


def test_what_a_new_run_measures_is_less_sure_than_the_curve() -> None:
    law = fit_law(points({8: 0.16, 16: 0.113, 32: 0.08}), rng())
    curve, measured = Range.of(law.gap(64)), Range.of(law.gap_measured(64))

    assert measured.estimate == pytest.approx(curve.estimate)
    assert measured.low < curve.low < curve.high < measured.high


def test_where_more_speakers_do_not_help_no_number_of_them_is_enough() -> None:
    law = fit_law(points({8: 0.10, 16: 0.11, 32: 0.12}), rng())

    assert law.needed(0.5)[0] == math.inf
    assert not law.helps


def test_a_flat_curve_is_not_taken_for_help() -> None:
    assert not fit_law(points({8: 0.121, 16: 0.12, 32: 0.118}), rng()).helps


def test_a_steep_curve_is() -> None:
    assert fit_law(points({8: 0.2, 16: 0.14, 32: 0.1}), rng()).helps


def test_within_the_limit_nobody_is_missing() -> None:
    law = fit_law(points({8: 0.07, 16: 0.06, 32: 0.05}), rng())

    assert law.needed(0.5)[0] <= 32


def test_bounds_lie_around_the_estimate_and_are_wider_for_fewer_measured() -> None:
    wers = {8: 0.16, 16: 0.113, 32: 0.08}
    sure, unsure = (Range.of(fit_law(points(wers, error=error), rng()).needed(0.5)) for error in (0.01, 0.2))

    assert sure.low < sure.estimate < sure.high
    assert unsure.low < sure.low
    assert unsure.high > sure.high


def test_bounds_hold_the_truth_at_least_as_often_as_they_say() -> None:
    """Trainings and speakers drawn around a true law that bends as it may: the number needed lies within."""
    now, error, noise = 32, 0.08, 0.06
    world = np.random.default_rng(11)
    held = 0
    for _ in range(200):
        truth = now * math.exp(math.log(0.08 / 0.06) / (0.5 * math.exp(world.normal(0, BEND))))
        found = []
        for size in (8, 16, 32):
            bottom, top = (math.log(wer) + world.normal(0, math.hypot(error, noise))
                           for wer in (0.08 * (size / now) ** -0.5, 0.04))
            found.append(Point(speakers=size, **{
                name: Resampled(centre, centre + world.normal(0, error, 500), error, 50)
                for name, centre in (("bottom", bottom), ("top", top))}))
        needed = Range.of(fit_law(found, world).needed(0.5))
        held += needed.low <= truth <= needed.high
    assert 165 <= held <= 198
