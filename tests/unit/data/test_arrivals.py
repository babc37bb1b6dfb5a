"""What is counted of the descriptions that came in."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from evenvoice.data.arrivals import HELD_SPELLINGS, Arrivals, bounding_box
from evenvoice.data.markup import Tally
from evenvoice.data.spelling import one_spelling
from tests.builders.corpora import described


def arrivals(*names: str) -> Arrivals:
    counted = Arrivals(Tally("keep"))
    for number, name in enumerate(names):
        found = described(str(number), name)
        counted.add(found, replace(found, speaker=one_spelling(name)))
    return counted


def test_spellings_beyond_the_first_of_each_speaker_are_counted() -> None:
    nfd = unicodedata.normalize("NFD", "José")
    assert arrivals("anna", "bo", "anna", "bo").spellings_merged == 0
    assert arrivals("anna ", "anna ").spellings_merged == 0
    assert arrivals("anna", "anna ", "José", nfd, "anna ").spellings_merged == 2
    assert arrivals("anna ", " anna", "anna  ").spellings_merged == 2


def test_spellings_of_one_speaker_are_held_up_to_a_limit() -> None:
    assert arrivals(*("anna" + " " * number for number in range(500))).spellings_merged == HELD_SPELLINGS


def test_the_first_known_postal_code_is_the_speakers() -> None:
    counted = arrivals()
    for code in (None, "01067", "10115"):
        recording = described("1", "anna", postal_code=code)
        counted.add(recording, recording)
    assert counted.postal_codes == {"anna": "01067"}


def test_speakers_lie_in_a_box_of_whole_degrees() -> None:
    rows = [{"speaker": "a", "lat": 52.5, "lon": 13.4}, {"speaker": "b", "lat": -0.1, "lon": -70.0},
            {"speaker": "c", "lat": None, "lon": None}, {"speaker": "a", "lat": 52.5, "lon": 13.4}]
    assert bounding_box(rows) == {"speakers": 2, "south": -1, "north": 53, "west": -70, "east": 14}


def test_nobody_with_a_place_has_no_box() -> None:
    assert bounding_box([{"speaker": "a", "lat": None, "lon": None}]) == {
        "speakers": 0, "south": None, "north": None, "west": None, "east": None}
