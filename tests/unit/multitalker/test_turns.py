"""Turns and the two channels that they are written to."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.errors import CorpusError
from evenvoice.multitalker.turns import Turn, by_start, channels_of
from tests.builders.multitalker import said


def speakers(turns: list[Turn]) -> list[list[str]]:
    return [[turn.speaker for turn in channel] for channel in channels_of(turns, "call")]


def test_one_after_another_is_all_on_the_first_channel():
    assert speakers([said("a", 0, 1), said("b", 1, 2), said("a", 3, 4)]) == [["a", "b", "a"], []]


def test_whoever_begins_while_another_speaks_is_on_the_second_channel():
    assert speakers([said("a", 0, 4), said("b", 1, 2), said("c", 3, 5)]) == [["a"], ["b", "c"]]


def test_a_turn_goes_to_the_first_channel_that_is_free_whoever_was_there():
    assert speakers([said("a", 0, 2), said("b", 1, 5), said("c", 2, 4), said("a", 4, 6)]) == [["a", "c", "a"], ["b"]]


def test_of_turns_that_begin_together_the_one_that_ends_first_comes_first():
    assert speakers([said("a", 0, 2), said("b", 0, 1)]) == [["b"], ["a"]]


def test_the_order_in_which_turns_are_given_changes_nothing():
    turns = [said("a", 0, 4), said("b", 1, 2), said("c", 3, 5)]
    assert channels_of(turns[::-1], "call") == channels_of(turns, "call")


def test_silence_has_two_empty_channels():
    assert channels_of([], "call") == ([], [])


def test_three_at_once_are_refused_by_name_and_time():
    with pytest.raises(CorpusError, match=r"call 7 must have at most 2 turns at once, got 0\.00 to 3\.00 s, 1\.00 to "
                                          r"3\.00 s, 2\.00 to 2\.50 s instead\. Correct the times"):
        channels_of([said("a", 0, 3), said("b", 1, 3), said("c", 2, 2.5)], "call 7")


LENGTHS = st.integers(1, 12).map(lambda tenths: tenths / 10)
STARTS = st.integers(0, 12).map(lambda tenths: tenths / 10) | st.floats(0, 1e6)
TURNS = st.lists(st.builds(lambda speaker, start_s, length_s: said(speaker, start_s, start_s + length_s),
                           st.sampled_from("abc"), STARTS, LENGTHS), max_size=8)


@given(TURNS)
def test_any_turns_give_two_channels_or_where_three_speak_at_once_a_refusal(turns):
    at_once = max((sum(other.start_s <= turn.start_s < other.end_s for other in turns) for turn in turns), default=0)
    if at_once > 2:
        with pytest.raises(CorpusError, match="must have at most 2 turns at once"):
            channels_of(turns, "call")
        return
    channels = channels_of(turns, "call")
    assert by_start([turn for channel in channels for turn in channel]) == by_start(turns)
    assert all(before.end_s <= after.start_s for channel in channels for before, after in pairwise(channel))
