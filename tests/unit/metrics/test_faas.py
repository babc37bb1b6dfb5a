"""FAAS by hand."""

import math

import pytest

from evenvoice.metrics.faas import adjusted_score, category_score, faas


def test_a_column_scores_by_the_share_of_its_groups_between_worst_and_best():
    # the best counts 100, the worst 0, the middle 100 * (0.30 - 0.15) / (0.30 - 0.10) = 75
    assert category_score([0.10, 0.15, 0.30], [0.5, 0.3, 0.2]) == pytest.approx(0.5 * 100 + 0.3 * 75)


def test_shares_need_no_sum_of_one_and_rates_no_level():
    assert category_score([1.0, 1.5, 3.0], [5000, 3000, 2000]) == pytest.approx(72.5)


def test_equal_groups_score_full():
    assert category_score([0.2, 0.2], [0.5, 0.5]) == 100


def test_what_chance_does_not_explain_lowers_the_score_in_proportion():
    assert adjusted_score(80, 0.01) == pytest.approx(16)
    assert adjusted_score(80, 0.05) == adjusted_score(80, 0.7) == 80


def test_the_whole_is_ten_times_the_logarithm_of_the_mean_score_over_the_rate():
    # columns of 72.5 with p = 0.01 and of 60 with p = 0.4: (14.5 + 60) / 2 = 37.25; WER 12.5 %
    scores = [adjusted_score(72.5, 0.01), adjusted_score(60, 0.4)]
    assert faas(scores, 0.125) == pytest.approx(10 * math.log10(298))


@pytest.mark.parametrize(("scores", "wer"), [([], 0.1), ([0.0], 0.1), ([50.0], 0.0)])
def test_without_a_score_or_errors_there_is_no_figure(scores, wer):
    assert faas(scores, wer) is None
