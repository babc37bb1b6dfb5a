"""Equal error rate and detection cost on scores small enough to count by hand."""

import numpy as np
import pytest

from evenvoice.errors import CohortError
from evenvoice.speakers.verification import equal_error_rate, error_rates, minimum_detection_cost, verify


def trials(same: list[float], different: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(same + different), np.array([True] * len(same) + [False] * len(different))


def test_scores_that_part_the_speakers_have_no_errors():
    scores, same = trials([0.9, 0.8], [0.2, 0.1])
    assert equal_error_rate(scores, same) == 0.0
    assert minimum_detection_cost(scores, same) == 0.0


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


def test_every_pair_of_recordings_is_a_trial():
    embeddings = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    result = verify(embeddings, np.array(["a", "a", "b", "b"], dtype=object))
    assert (result.same_speaker_trials, result.different_speaker_trials, result.eer) == (2, 4, 0.0)


def test_one_recording_per_speaker_leaves_the_rate_unknown_and_says_why():
    result = verify(np.eye(3), np.array(["a", "b", "c"], dtype=object))
    assert (result.eer, result.min_dcf, result.reason) == (None, None, "no trial has two recordings of one speaker")


def test_no_recordings_leave_the_rate_unknown():
    assert verify(np.empty((0, 4)), np.empty(0, dtype=object)).eer is None


def test_many_recordings_are_cut_to_whole_speakers():
    speakers = np.repeat(np.array([f"s{number}" for number in range(300)], dtype=object), 10)
    result = verify(np.eye(16)[np.arange(3000) % 16], speakers)
    assert result.same_speaker_trials == 200 * 45
