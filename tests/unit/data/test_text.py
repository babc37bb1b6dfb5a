"""The one normalisation that references and hypotheses share."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.data.text import control_character, normalise


@pytest.mark.parametrize(("raw", "normal"), [
    ("IT'S JUST SO HARD TO PICTURE", "it's just so hard to picture"),
    ("Please call Stella.", "please call stella"),
    ("twenty-one,  twenty\ttwo\n", "twenty one twenty two"),
    ("don\u2019t", "don't"),
    ("'quoted' dogs' 'cause", "quoted dogs cause"),
    ("rock ''n'' roll", "rock n roll"),
    ("Caf\u00e9 cafe\u0301", "caf\u00e9 caf\u00e9"),
    ("\uff21\uff22\uff23 \u2460", "abc 1"),
    ("STRASSE stra\u00dfe", "strasse stra\u00dfe"),
    ("\u0939\u093f\u0928\u094d\u0926\u0940!", "\u0939\u093f\u0928\u094d\u0926\u0940"),
    ("co\u00adoperate", "cooperate"),
    ("snake_case at 3 %", "snake case at 3"),
    ("... --- !", ""),
    ("", ""),
])
def test_text_reads_as(raw: str, normal: str) -> None:
    assert normalise(raw) == normal


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(st.text())
def test_only_words_and_single_spaces_remain(text: str) -> None:
    for word in normalise(text).split(" "):
        assert all(char == "'" or unicodedata.category(char)[0] in "LMN" for char in word)
        assert word[:1] != "'"
        assert word[-1:] != "'"


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_plain_text_takes_the_same_road_as_any_other(text: str) -> None:
    assert normalise(text + " \u00e9") == f"{normalise(text)} \u00e9".lstrip()


def test_control_characters_are_found_and_white_space_is_not_one() -> None:
    assert control_character("one\ttwo\nthree") is None
    assert control_character("one\x00two") == "\x00"
    assert control_character("bell\x07") == "\x07"
