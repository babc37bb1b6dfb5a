"""SegLST: what is read, and what is refused by name."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.errors import CorpusError
from evenvoice.multitalker.seglst import check_within, read_seglst
from evenvoice.multitalker.turns import Turn

FIRST = {"session_id": "call", "speaker": "ann", "words": "Turn it ON!", "start_time": 0.5, "end_time": 2}
SECOND = {"session_id": "call", "speaker": "ben", "words": "no, off", "start_time": 1.5, "end_time": 3.25}


def read(*segments: object) -> list[Turn]:
    return read_seglst(json.dumps(segments).encode(), "call.json")


def changed(**changes: Any) -> dict[str, Any]:
    return {**FIRST, **changes}


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in FIRST.items() if name != field}


def test_turns_come_by_start_with_normalised_text() -> None:
    assert read(SECOND, FIRST) == [Turn(speaker="ann", start_s=0.5, end_s=2.0, text="turn it on"),
                                   Turn(speaker="ben", start_s=1.5, end_s=3.25, text="no off")]


def test_nemo_writes_times_as_text_or_a_duration() -> None:
    assert read(changed(start_time="0.5", end_time="2.00")) == read(FIRST)
    assert read({**without("end_time"), "duration": "1.5"}) == read(FIRST)
    assert read(changed(end_time=None, duration=1.5)) == read(FIRST)


def test_names_may_be_numbers_and_are_brought_to_one_spelling() -> None:
    assert read(changed(speaker=0))[0].speaker == "0"
    assert read(changed(speaker=" ann\u200b "))[0].speaker == "ann"


def test_a_silent_recording_has_no_turns() -> None:
    assert read() == []


@pytest.mark.parametrize(("content", "message"), [
    (b"", r"call.json must be JSON"),
    (b"{", r"call.json must be JSON"),
    (b"\xff\xfe\xfa", r"call.json must be JSON"),
    (b"[" * 100_000, r"call.json must be JSON"),
    (json.dumps(FIRST).encode(), r"call.json must be a list of segments, got an object"),
    (json.dumps([FIRST, "x"]).encode(), r"segment 2 of call.json must be a JSON object, got 'x'"),
])
def test_what_is_no_list_of_segments_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read_seglst(content, "call.json")


@pytest.mark.parametrize("field", ["session_id", "speaker", "words", "start_time", "end_time"])
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(CorpusError, match=f"segment 2 of call.json must have {field}, got only '"):
        read(SECOND, without(field))


@pytest.mark.parametrize(("changes", "message"), [
    ({"start_time": -0.1}, "at least 0, as start_time, got -0.1"),
    ({"start_time": float("nan")}, "a number of seconds, at least 0, as start_time, got nan"),
    ({"end_time": float("inf")}, "as end_time, got inf"),
    ({"end_time": "NaN"}, "as end_time, got 'NaN'"),
    ({"end_time": "soon"}, "as end_time, got 'soon'"),
    ({"end_time": True}, "as end_time, got True"),
    ({"end_time": 10**400}, "as end_time, got 1000"),
    ({"end_time": [2]}, "as end_time, got a list"),
    ({"end_time": 0.25}, "end after it begins, got 0.5 to 0.25 s"),
    ({"end_time": 0.5}, "end after it begins"),
    ({"end_time": None, "duration": -1}, "as duration, got -1"),
    ({"end_time": None, "duration": 1e308, "start_time": 1e308}, "end after it begins, got 1e[+]308 to inf s"),
    ({"speaker": ""}, "name its speaker"),
    ({"speaker": " \u200b"}, "name its speaker"),
    ({"speaker": ["ann"]}, "have text as speaker, got a list"),
    ({"speaker": "\ud800"}, "have Unicode text as speaker"),
    ({"words": "off\x07"}, r"have words without control characters, got U\+0007"),
    ({"words": "..."}, "have words with a letter or digit, got '...'"),
])
def test_a_wrong_value_is_refused_with_its_segment(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CorpusError, match=f"segment 2 of call.json must .*{message}"):
        read(SECOND, changed(**changes))


def test_a_file_is_of_one_session() -> None:
    with pytest.raises(CorpusError, match=r"segment 2 of call.json must belong to .* 'call', got 'other'"):
        read(FIRST, {**SECOND, "session_id": "other"})


def test_three_turns_at_once_are_refused() -> None:
    with pytest.raises(CorpusError, match=r"call.json must have at most 2 turns at once"):
        read(FIRST, SECOND, changed(speaker="cem", start_time=1.75))


def test_turns_end_within_the_recording() -> None:
    turns = read(FIRST, SECOND)
    assert check_within(turns, 3.25, "call.json") == turns
    assert check_within(turns, 3.245, "call.json")[1].end_s == 3.245  # rounded by whoever annotated
    with pytest.raises(CorpusError, match=r"turn from 1.500 to 3.250 s of call.json must lie within .* 3.000 s"):
        check_within(turns, 3.0, "call.json")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()))
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
                    max_leaves=8)
FIELDS = st.sampled_from([*FIRST, "duration"])
NEARLY = st.lists(st.dictionaries(FIELDS, JSON, max_size=2).map(lambda changes: {**FIRST, **changes}), max_size=4)


@given(JSON | NEARLY)
def test_any_json_gives_turns_or_a_refusal(found: object) -> None:
    turns = turns_or_refusal(json.dumps(found).encode())
    assert all(turn.text and turn.speaker and 0 <= turn.start_s < turn.end_s for turn in turns)


@given(st.binary())
def test_any_bytes_give_turns_or_a_refusal(content: bytes) -> None:
    assert turns_or_refusal(content) == []


def turns_or_refusal(content: bytes) -> list[Turn]:
    """What is read; nothing where it is refused."""
    with suppress(CorpusError):
        return read_seglst(content, "call.json")
    return []
