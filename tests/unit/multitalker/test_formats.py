"""Heard turns as files, read back by MeetEval."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meeteval.io import CTM, RTTM, STM, SegLST
from meeteval.wer import cpwer

from evenvoice.decoding.word import Word
from evenvoice.multitalker.formats import FORMS, Form, written
from evenvoice.multitalker.turns import TimedTurn

TURNS = [
    TimedTurn(channel=1, start_s=1.2, end_s=2.0, text="and off", words=(Word("and", 1.24, 1.44, 0.5),
                                                                        Word("off", 1.6, 1.8, 0.25))),
    TimedTurn(channel=0, start_s=0.1, end_s=1.5, text="turn it on", words=(
        Word("turn", 0.2, 0.6, 1.0), Word("it", 0.6, 0.7000001, 0.75), Word("on", 1.1, 1.3, 0.9996))),
]
EMPTY = TimedTurn(channel=0, start_s=3.0, end_s=3.0, text="")


def test_stm_has_a_line_for_each_turn_by_start() -> None:
    assert written(TURNS, session="call", form="stm") == (
        "call 1 channel-1 0.100 1.500 turn it on\n"
        "call 1 channel-2 1.200 2.000 and off\n")


def test_ctm_has_a_line_for_each_word_channel_by_channel() -> None:
    assert written(TURNS, session="call", form="ctm") == (
        "call 1 0.200 0.400 turn 1.000\n"
        "call 1 0.600 0.100 it 0.750\n"
        "call 1 1.100 0.200 on 1.000\n"
        "call 2 1.240 0.200 and 0.500\n"
        "call 2 1.600 0.200 off 0.250\n")


def test_rttm_has_turns_without_words_and_none_that_lasts_no_time() -> None:
    assert written([*TURNS, EMPTY], session="call", form="rttm") == (
        "SPEAKER call 1 0.100 1.400 <NA> <NA> channel-1 <NA> <NA>\n"
        "SPEAKER call 1 1.200 0.800 <NA> <NA> channel-2 <NA> <NA>\n")


def test_seglst_has_an_object_for_each_turn() -> None:
    first, second = json.loads(written(TURNS, session="my call", form="seglst"))
    assert first == {"session_id": "my call", "speaker": "channel-1", "start_time": 0.1, "end_time": 1.5,
                     "words": "turn it on"}
    assert second["speaker"] == "channel-2"


def test_json_has_times_and_confidence_of_every_word_on_one_line() -> None:
    text = written(TURNS, session="my call", form="json")
    assert text.index("\n") == len(text) - 1
    found = json.loads(text)
    assert found["session"] == "my call"
    assert found["turns"][0]["words"][1] == {"text": "it", "start_s": 0.6, "end_s": 0.7, "confidence": 0.75}
    assert {name: found["turns"][1][name] for name in ("speaker", "start_s", "end_s", "text")} == {
        "speaker": "channel-2", "start_s": 1.2, "end_s": 2.0, "text": "and off"}


def test_meeteval_reads_the_same_turns_from_seglst_and_stm() -> None:
    seglst = SegLST(json.loads(written(TURNS, session="call", form="seglst")))
    stm = STM.parse(written(TURNS, session="call", form="stm"))
    assert [(line.speaker_id, line.begin_time, line.end_time, line.transcript) for line in stm.lines] == [
        ("channel-1", Decimal("0.1"), Decimal("1.5"), "turn it on"),
        ("channel-2", Decimal("1.2"), Decimal("2.0"), "and off")]
    compared = cpwer(seglst, stm)["call"]
    assert (compared.errors, compared.length) == (0, 5)


def test_meeteval_reads_ctm_and_rttm() -> None:
    ctm = CTM.parse(written(TURNS, session="call", form="ctm"))
    assert [(line.channel, line.word, line.begin_time + line.duration) for line in ctm.lines][3:] == [
        ("2", "and", Decimal("1.44")), ("2", "off", Decimal("1.8"))]
    rttm = RTTM.parse(written(TURNS, session="call", form="rttm"))
    assert [(line.filename, line.speaker_id, line.begin_time, line.duration) for line in rttm.lines] == [
        ("call", "channel-1", Decimal("0.1"), Decimal("1.4")), ("call", "channel-2", Decimal("1.2"), Decimal("0.8"))]


@pytest.mark.parametrize(("told", "expected"), [
    ((None, None), "0.200 1.300"), ((0.1, None), "0.100 1.300"), ((None, 1.5), "0.200 1.500")])
def test_a_time_that_was_not_told_is_that_of_the_words(told: tuple[float | None, float | None], expected: str) -> None:
    turn = TimedTurn(channel=0, start_s=told[0], end_s=told[1], text=TURNS[1].text, words=TURNS[1].words)
    assert expected in written([turn], session="call", form="stm")


def test_a_turn_without_words_and_end_lasts_no_time() -> None:
    turn = TimedTurn(channel=0, start_s=3.0, end_s=None, text="")
    line = written([turn], session="call", form="stm")
    assert line == "call 1 channel-1 3.000 3.000\n"
    assert STM.parse(line).lines[0].transcript == ""
    assert written([turn], session="call", form="ctm") == ""


def test_what_cannot_be_placed_is_no_turn() -> None:
    with pytest.raises(ValueError, match="must have a time or words"):
        written([TimedTurn(channel=0, start_s=None, end_s=None, text="stop")], session="call", form="stm")
    with pytest.raises(ValueError, match="must have words with times to be written as CTM"):
        written([TimedTurn(channel=0, start_s=0.0, end_s=1.0, text="stop")], session="call", form="ctm")


@pytest.mark.parametrize("form", FORMS)
def test_silence_has_no_turns(form: Form) -> None:
    assert written([], session="call", form=form) == {
        "seglst": "[]\n", "json": '{"session": "call", "turns": []}\n'}.get(form, "")


def test_odd_names_get_underscores_where_white_space_separates_fields() -> None:
    for form in ("stm", "ctm", "rttm"):
        assert "my_call__2_.wav " in written(TURNS, session="my call (2).wav", form=form)
    assert written(TURNS, session=";;x", form="stm").startswith("__x ")  # a semicolon would begin a comment
    assert written(TURNS, session="", form="stm").startswith("_ ")


@given(st.text(st.characters(exclude_categories=())))
def test_no_name_breaks_a_format(session: str) -> None:
    texts = {form: written(TURNS, session=session, form=form) for form in FORMS}
    assert all(text.encode() for text in texts.values())
    assert [len(STM.parse(texts["stm"]).lines), len(CTM.parse(texts["ctm"]).lines),
            len(RTTM.parse(texts["rttm"]).lines)] == [2, 5, 2]
    assert len(json.loads(texts["seglst"])) == len(json.loads(texts["json"])["turns"]) == 2
