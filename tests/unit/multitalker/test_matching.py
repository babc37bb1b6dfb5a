"""Which heard turn is which said turn, and how late its start and its end were told."""

import pytest

from evenvoice.errors import CorpusError
from evenvoice.multitalker.matching import Fate, fates, owners_of
from tests.builders.multitalker import heard, said


def became(turns, found, *, duration_s=20.0, tolerance_s=0.1):
    return fates(turns, found, duration_s=duration_s, cut_tolerance_s=tolerance_s, name="m")


def owners(turns, found, *, duration_s=20.0):
    return owners_of(turns, found, duration_s=duration_s, name="m")


def test_a_turn_is_told_a_little_late():
    [fate] = became([said("a", 1, 4)], [heard(0, 1.25, 4.5)])
    assert fate == Fate(into_silence=True, sot_latency_s=0.25, eot_latency_s=0.5, cut=False)


def test_a_turn_that_was_ended_in_its_own_pause_was_cut_off_there():
    [fate] = became([said("a", 1, 10, pauses=[(4, 6)])], [heard(0, 1.25, 4.5), heard(0, 6.25, 10.5)])
    assert (fate.sot_latency_s, fate.eot_latency_s, fate.cut) == (0.25, -5.5, True)


def test_a_turn_whose_end_was_never_told_has_a_start_and_no_end():
    [fate] = became([said("a", 1, 4)], [heard(0, 1.25, None)])
    assert (fate.sot_latency_s, fate.eot_latency_s, fate.cut) == (0.25, None, False)


@pytest.mark.parametrize(("end_s", "cut"), [(3.875, False), (3.75, True), (4.125, False)])
def test_an_end_cuts_a_turn_off_when_it_is_earlier_by_more_than_the_tolerance(end_s, cut):
    [fate] = became([said("a", 1, 4)], [heard(0, 1.25, end_s)], tolerance_s=0.125)
    assert fate.eot_latency_s == end_s - 4
    assert fate.cut is cut


def test_a_turn_that_nobody_heard_has_neither():
    [first, second] = became([said("a", 1, 4), said("b", 5, 8)], [heard(0, 5.25, 8.25)])
    assert (first.sot_latency_s, first.eot_latency_s) == (None, None)
    assert (second.sot_latency_s, second.eot_latency_s) == (0.25, 0.25)


def test_speakers_that_overlap_are_found_on_swapped_channels():
    turns = [said("a", 0, 5), said("b", 4, 9)]
    assert owners(turns, [heard(1, 0.25, 5.25), heard(0, 4.25, 9.25)]) == [0, 1]


def test_a_short_turn_within_a_long_one_is_not_taken_for_its_end():
    turns = [said("a", 0, 10), said("b", 3, 4)]
    first, second = became(turns, [heard(0, 0.25, 10.25), heard(1, 3.25, 4.25)])
    assert (first.eot_latency_s, first.cut) == (0.25, False)
    assert second.eot_latency_s == 0.25


@pytest.mark.parametrize(("channel", "owner"), [(0, 0), (1, 1)])
def test_of_two_turns_that_are_equally_alike_the_one_on_the_same_channel_is_meant(channel, owner):
    turns = [said("a", 1, 4), said("b", 1, 4)]
    assert owners(turns, [heard(channel, 1.25, 4.25)]) == [owner]


def test_a_turn_that_was_over_when_it_was_told_is_still_that_turn():
    [yes, answer] = became([said("a", 1, 1.25), said("b", 4, 8)], [heard(0, 1.5, 1.75), heard(0, 4.25, 8.25)])
    assert (yes.sot_latency_s, yes.eot_latency_s) == (0.5, 0.5)
    assert answer.eot_latency_s == 0.25


def test_what_was_heard_before_anybody_spoke_is_nobodys():
    assert owners([said("a", 5, 8)], [heard(0, 1, 2)]) == [None]


def test_a_turn_without_a_told_end_lasts_until_the_next_on_its_channel():
    turns = [said("a", 0, 3), said("b", 4, 12)]
    assert owners(turns, [heard(0, 0.25, None), heard(0, 4.25, 12.25)]) == [0, 1]


def test_an_end_without_a_start_ends_the_turn_that_is_spoken_then():
    [fate] = became([said("a", 0, 5)], [heard(0, None, 3)])
    assert (fate.sot_latency_s, fate.eot_latency_s, fate.cut) == (None, -2, True)


def test_a_model_that_tells_no_times_has_no_latencies():
    [fate] = became([said("a", 0, 5)], [heard(0, None, None)])
    assert (fate.sot_latency_s, fate.eot_latency_s, fate.cut) == (None, None, False)


def test_a_turn_that_starts_and_ends_at_once_lies_in_the_turn_that_is_spoken_then():
    assert owners([said("a", 0, 5), said("b", 6, 9)], [heard(0, 4, 4)]) == [0]


def test_latencies_are_kept_however_large_they_are():
    [fate] = became([said("a", 0, 2)], [heard(0, 0.5, 19.5)])
    assert fate.eot_latency_s == 17.5


def test_three_turns_at_once_are_refused_by_name():
    with pytest.raises(CorpusError, match=r"^m must have at most 2 turns at once"):
        owners([said("a", 0, 5), said("b", 1, 5), said("c", 2, 5)], [])
