"""Word errors of mixtures as MeetEval counts them, and whose they are."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.errors import ArtifactError, CorpusError
from evenvoice.multitalker.charging import Charged, charge
from evenvoice.multitalker.scoring import WordErrors, channel_texts, word_errors
from tests.builders.multitalker import heard, said


def charged(turns, found):
    return charge(turns, channel_texts(found), word_errors(turns, found, "m"), "m")


TWO = [said("a", 0, 3, "amber birch cedar"), said("b", 2, 5, "delta ember")]


def test_nothing_is_wrong_whichever_channel_a_turn_is_on():
    found = [heard(1, 0.2, 3.2, "amber birch cedar"), heard(0, 2.2, 5.2, "delta ember")]
    assert word_errors(TWO, found, "m") == WordErrors(orc=0, cp=0, assignment=(1, 0))


def test_two_speakers_on_one_channel_are_wrong_for_cp_and_right_for_orc():
    found = [heard(0, 0.2, 3.2, "amber birch cedar"), heard(0, 2.2, 5.2, "delta ember")]
    assert word_errors(TWO, found, "m") == WordErrors(orc=0, cp=4, assignment=(0, 0))


def test_without_a_heard_word_every_word_is_missing():
    assert word_errors(TWO, [], "m").orc == word_errors(TWO, [], "m").cp == 5
    assert charged(TWO, [heard(0, 0.2, None, "")]) == Charged(turns=(3, 2), nobodys=0)


def test_in_a_silent_mixture_all_heard_words_are_insertions_of_nobody():
    found = [heard(0, 0.2, 1.2, "amber"), heard(1, 0.2, 1.2, "birch cedar")]
    assert word_errors([], found, "m") == WordErrors(orc=3, cp=3, assignment=())
    assert charged([], found) == Charged(turns=(), nobodys=3)
    assert word_errors([], [], "m") == WordErrors(orc=0, cp=0, assignment=())


def test_a_wrong_word_is_charged_to_the_turn_that_it_replaces():
    found = [heard(0, 0.2, 3.2, "amber wrong cedar"), heard(1, 2.2, 5.2, "delta")]
    assert charged(TWO, found) == Charged(turns=(1, 1), nobodys=0)


def test_a_word_too_much_is_charged_to_the_turn_before_it_and_at_the_beginning_to_the_first():
    turns = [said("a", 0, 1, "amber"), said("b", 2, 3, "birch")]
    assert charged(turns, [heard(0, 0, 3, "amber wrong birch")]).turns == (1, 0)
    assert charged(turns, [heard(0, 0, 3, "wrong amber birch")]).turns == (1, 0)
    assert charged(turns, [heard(0, 0, 3, "amber birch wrong")]).turns == (0, 1)


def test_words_on_a_channel_without_a_turn_are_charged_to_nobody():
    found = [heard(0, 0, 3, "amber birch cedar delta ember"), heard(1, 4, 5, "wrong wrong")]
    assert charged(TWO, found) == Charged(turns=(0, 0), nobodys=2)


def test_a_turn_without_words_is_charged_with_nothing():
    turns = [said("a", 0, 1, ""), said("b", 2, 3, "birch")]
    assert charged(turns, [heard(0, 0, 3, "birch wrong")]).turns == (0, 1)


def test_errors_that_do_not_add_up_are_a_defect():
    with pytest.raises(ArtifactError, match=r"errors of the turns of m must add up to the 7 of ORC-WER, got 0"):
        charge(TWO, ("amber birch cedar", "delta ember"), WordErrors(orc=7, cp=0, assignment=(0, 1)), "m")


def test_a_recording_that_orc_wer_has_no_memory_for_is_refused_by_name():
    turns = [said("a", number, number + 1, "amber " * 20) for number in range(400)]
    found = [heard(channel, number, number + 1, "amber " * 10) for number in range(400) for channel in (0, 1)]
    with pytest.raises(CorpusError, match="m must be short enough for ORC-WER in 4 GiB of memory, got 400 turns"):
        word_errors(turns, found, "m")


def test_meeteval_has_nothing_to_warn_of(caplog):
    with caplog.at_level(logging.WARNING):
        word_errors(TWO, [heard(0, 0, 3, "amber")], "m")
    assert not caplog.records


WORDS = st.lists(st.sampled_from("abc"), max_size=4).map(" ".join)


@given(said_texts=st.lists(st.tuples(st.sampled_from("xyz"), WORDS), max_size=5),
       heard_texts=st.lists(st.tuples(st.integers(0, 1), WORDS), max_size=5))
def test_errors_of_turns_and_of_nobody_always_add_up_to_orc_wer(said_texts, heard_texts):
    turns = [said(speaker, number, number + 0.5, text) for number, (speaker, text) in enumerate(said_texts)]
    found = [heard(channel, number, number + 0.5, text) for number, (channel, text) in enumerate(heard_texts)]
    counted = word_errors(turns, found, "m")
    whose = charge(turns, channel_texts(found), counted, "m")
    assert sum(whose.turns) + whose.nobodys == counted.orc
    assert counted.orc <= counted.cp
    if any(turn.words for turn in turns) and not any(text for _, text in heard_texts):
        assert whose.turns == tuple(turn.words for turn in turns)
