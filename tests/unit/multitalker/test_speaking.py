"""When somebody speaks."""

import pytest

from evenvoice.multitalker.speaking import end_in_silence, overlapping, speech_s, speech_spans
from tests.builders.multitalker import said


def test_a_turn_is_speech_but_for_its_pauses():
    turn = said("a", 1, 10, pauses=[(3, 4), (6, 6.5)])
    assert speech_spans(turn) == [(1, 3), (4, 6), (6.5, 10)]
    assert speech_s(turn) == 7.5


def test_a_pause_at_the_end_leaves_nothing_behind_it():
    assert speech_spans(said("a", 1, 5, pauses=[(4, 5)])) == [(1, 4)]


@pytest.mark.parametrize(("start_s", "quiet"), [(3.0, False), (4.05, False), (4.2, True)])
def test_a_turn_ends_in_silence_unless_somebody_speaks_then_or_right_after(start_s, quiet):
    assert end_in_silence([said("a", 1, 4), said("b", start_s, 8)]) == [quiet, True]


def test_a_turn_that_ends_in_the_pause_of_another_ends_in_silence():
    assert end_in_silence([said("a", 0, 10, pauses=[(3, 6)]), said("b", 3.5, 4.5)]) == [True, True]


def test_turns_overlap_when_one_begins_before_any_earlier_one_has_ended():
    assert overlapping([said("a", 0, 10), said("b", 1, 2), said("b", 3, 4)])
    assert not overlapping([said("a", 0, 1), said("b", 1, 2)])
    assert not overlapping([])
