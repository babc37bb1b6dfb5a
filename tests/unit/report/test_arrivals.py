"""What the report says of the data that came in."""

from __future__ import annotations

from typing import Any

import pytest

from evenvoice.report.arrivals import arrivals

NOTHING = {"speaker_spellings_merged": 0, "markup": {"policy": "refuse", "recordings": 0, "kinds": {}}, "census": None,
           "coordinates": {"speakers": 0, "south": None, "north": None, "west": None, "east": None},
           "scaled_recordings": 0, "unnamed_audio": {"count": 0, "first": []}}
BOX = {"speakers": 1240, "south": 25, "north": 49, "west": -125, "east": -67}


@pytest.mark.parametrize("summary", [{}, NOTHING])
def test_nothing_to_say_is_not_said(summary: dict[str, Any]) -> None:
    assert arrivals(summary, minimum=5) == ()


@pytest.mark.parametrize(("summary", "line"), [
    ({"speaker_spellings_merged": 3}, (
        "3", "spellings of speakers' names were brought to one of the same speaker: they differ only in spaces, "
             "invisible characters or Unicode form")),
    ({"scaled_recordings": 2}, ("2", "recordings went beyond full scale and were made quieter as a whole")),
    ({"unnamed_audio": {"count": 1200, "first": ["a.wav"]}}, (
        "1 200", "audio files lie in the corpus's folder, but no table of it names them")),
    ({"census": {"rows": 12, "speakers": 8, "with_code": 3, "matched": 2, "share_without_match": 0.75}}, (
        "2 of 8", "speakers have a postal code that the census of 12 codes knows; 3 have any, and 75.0 % have no "
                  "census statistics")),
    ({"coordinates": BOX}, (
        "1 240", "speakers have coordinates, all between latitudes 25° and 49° and longitudes -125° and -67° (whole "
                 "degrees, rounded outwards)")),
    ({"attributes": {"kept_as_written": {"gender": {"two-spirit": 9, "genderfluid": 12, "a": 4, "b": 1}}}}, (
        "26", "speakers have a value of gender that the table of values does not know, kept as it was written: "
              "'genderfluid' 12, 'two-spirit' 9, 2 values of fewer than 5 speakers each")),
])
def test_each_count_is_one_line(summary: dict[str, Any], line: tuple[str, str]) -> None:
    assert arrivals({**NOTHING, **summary}, minimum=5) == (line,)


@pytest.mark.parametrize(("policy", "words"), [
    ("refuse", "transcripts that hold markup; their recordings were refused: <COMMA> 3, [noise] 1"),
    ("drop", "transcripts held markup, which was taken away: <COMMA> 3, [noise] 1"),
    ("keep", "transcripts hold markup, which is trained on and scored as words: <COMMA> 3, [noise] 1"),
])
def test_markup_is_named_with_what_became_of_it(policy: str, words: str) -> None:
    markup = {"policy": policy, "recordings": 2, "kinds": {"[noise]": 1, "<COMMA>": 3}}
    assert arrivals({"markup": markup}, minimum=5) == (("2", words),)


def test_the_box_around_few_speakers_is_not_shown() -> None:
    assert arrivals({"coordinates": {**BOX, "speakers": 4}}, minimum=5) == ()
