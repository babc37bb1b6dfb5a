"""Gaps and spreads, and what chance alone makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from evenvoice.metrics.disparity import gap_over_bottom, null_spreads, spread


def test_a_gap_of_150_per_cent_over_top_is_60_per_cent_over_bottom() -> None:
    assert gap_over_bottom(1.5) == pytest.approx(0.6)


def test_a_bottom_cohort_without_errors_has_no_gap_over_itself() -> None:
    assert np.isnan(gap_over_bottom(-1.0))


def test_spread_is_from_the_lowest_to_the_highest_wer() -> None:
    assert spread(np.array([10, 30, 20]), np.array([100, 100, 100])) == pytest.approx(2.0)


def test_cohorts_without_words_have_no_part_in_the_spread() -> None:
    assert spread(np.array([10, 30, 0]), np.array([100, 100, 0])) == pytest.approx(2.0)
    assert np.isnan(spread(np.array([10, 0]), np.array([100, 0])))


def test_half_an_error_stands_in_for_none_in_the_spread() -> None:
    assert spread(np.array([0, 10]), np.array([100, 100])) == pytest.approx(19.0)


def test_chance_alone_spreads_more_the_more_cohorts_there_are() -> None:
    rng = np.random.default_rng(1)
    errors_SM, words_S = rng.poisson(20, (120, 1)), np.full(120, 200)
    means = [null_spreads(errors_SM, words_S, np.full(count, 120 // count), 200, np.random.default_rng(2))[0].mean
             for count in (2, 4, 8, 12)]
    assert means == sorted(means)
    assert means[-1] > 3 * means[0]


def test_without_a_real_difference_the_spread_is_what_chance_gives() -> None:
    rng = np.random.default_rng(3)
    words_S, groups = np.full(120, 200), np.repeat(np.arange(6), 20)
    beyond = 0
    for seed in range(100):
        errors_S = rng.poisson(20 * rng.gamma(4, 0.25, 120))
        observed = spread(np.bincount(groups, errors_S).astype(int), np.full(6, 4000))
        null, = null_spreads(errors_S[:, None], words_S, np.full(6, 20), 100, np.random.default_rng(seed))
        beyond += observed > null.high
    assert beyond <= 12  # 5 expected


def test_pieces_give_the_same_partitions_to_every_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evenvoice.metrics.disparity.CELLS_AT_ONCE", 50)
    errors_S = np.arange(10)
    first, second = null_spreads(np.column_stack([errors_S, errors_S]), np.full(10, 50), np.array([3, 7]), 33,
                                 np.random.default_rng(1))
    assert first == second


def test_one_cohort_has_no_null_spread() -> None:
    null, = null_spreads(np.ones((4, 1), dtype=int), np.full(4, 50), np.array([4]), 20, np.random.default_rng(1))
    assert np.isnan(null.mean)
