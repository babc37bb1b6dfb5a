"""Equal error rate and detection cost on scores small enough to count by hand."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from evenvoice.errors import CohortError
from evenvoice.verification.detection import (
    equal_error_rate,
    error_rates,
    log_likelihood_ratio_cost,
    minimum_detection_cost,
)


def trials(same: list[float], different: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(same + different), np.array([True] * len(same) + [False] * len(different))


def test_scores_that_part_the_speakers_have_no_errors():
    scores, same = trials([0.9, 0.8], [0.2, 0.1])
    assert equal_error_rate(scores, same) == 0.0
    assert minimum_detection_cost(scores, same, 0.05) == 0.0


def test_scores_that_are_the_wrong_way_round_are_always_wrong():
    assert equal_error_rate(*trials([0.1, 0.2], [0.8, 0.9])) == 1.0


def test_one_overlap_in_four_is_an_equal_error_rate_of_a_quarter():
    assert equal_error_rate(*trials([0.9, 0.8, 0.7, 0.3], [0.6, 0.2, 0.1, 0.0])) == pytest.approx(0.25)


def test_scores_that_say_nothing_give_one_half():
    assert equal_error_rate(*trials([0.5, 0.5], [0.5, 0.5, 0.5])) == pytest.approx(0.5)


def test_between_thresholds_the_rates_follow_a_straight_line():
    # at 0.5: miss 0, false alarm 1/3; above 0.5: miss 1/2, false alarm 0: they meet at 1/5
    assert equal_error_rate(*trials([0.5, 0.9], [0.5, 0.1, 0.1])) == pytest.approx(1 / 5)


def test_error_rates_start_at_accepting_everyone_and_end_at_refusing_everyone():
    miss, false_alarm = error_rates(*trials([0.9, 0.3], [0.6, 0.1]))
    assert (miss.tolist(), false_alarm.tolist()) == ([0, 0, 0.5, 0.5, 1], [1, 0.5, 0.5, 0, 0])


def test_the_detection_cost_weighs_false_alarms_by_how_rare_the_speaker_is():
    # refusing half of the same-speaker trials costs 0.05 x 0.5; the blind answer "never" costs 0.05
    assert minimum_detection_cost(*trials([0.9, 0.3], [0.6, 0.1]), target_prior=0.05) == pytest.approx(0.5)


def test_trials_of_one_kind_are_refused():
    with pytest.raises(CohortError, match="same-speaker and different-speaker pairs"):
        equal_error_rate(*trials([0.9], []))


def test_a_known_score_pays_one_bit_where_it_says_nothing_and_none_where_it_is_sure():
    scores, same = trials([0.0, 0.0], [0.0, 0.0, 0.0])
    assert log_likelihood_ratio_cost(scores, same) == pytest.approx(1.0)
    assert log_likelihood_ratio_cost(*trials([50.0, 60.0], [-50.0, -60.0])) == pytest.approx(0.0, abs=1e-12)


def test_the_mean_cost_of_a_likelihood_ratio_is_counted_by_hand():
    # log2(1 + 1/2) for the one, log2(1 + 4) for the other
    cost = log_likelihood_ratio_cost(*trials([math.log(2)], [math.log(4)]))
    assert cost == pytest.approx((math.log2(1.5) + math.log2(5)) / 2)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(-8, 8), st.booleans()), min_size=2, max_size=60))
def test_the_equal_error_rate_is_that_of_scikit_learns_curve(pairs):
    scores, same = np.array([score for score, _ in pairs], dtype=float), np.array([kind for _, kind in pairs])
    assume(same.any() and not same.all())
    false_alarm, hit, _ = roc_curve(same, scores, drop_intermediate=False)
    # where the curve, straight between its points, crosses miss = false alarm
    gap = (1 - hit) - false_alarm
    after = int(np.argmax(gap <= 0))
    share = gap[after - 1] / (gap[after - 1] - gap[after]) if after else 0.0
    expected = false_alarm[after - 1] + share * (false_alarm[after] - false_alarm[after - 1]) if after else 0.0
    assert equal_error_rate(scores, same) == pytest.approx(expected, abs=1e-9)
