"""One person is one name, however it was typed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.data.spelling import one_spelling

NFD = unicodedata.normalize("NFD", "José")


@pytest.mark.parametrize("typed", ["anna", "anna ", " anna", "anna\t", "anna\n", "\ufeffanna", "anna\u200b",
                                   "an\u00adna", "\u00a0anna\u00a0", "\u200eanna\u200f", "anna\u2060",
                                   "anna\x00", "\u3000anna"])
def test_what_nobody_sees_makes_no_other_person(typed: str) -> None:
    assert one_spelling(typed) == "anna"


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert NFD != "José"
    assert one_spelling(NFD) == one_spelling("José") == "José"


@pytest.mark.parametrize("typed", ["Anna  Maria", "Anna\u00a0Maria", " Anna \t Maria ", "Anna \u200b Maria"])
def test_inner_white_space_is_one_space(typed: str) -> None:
    assert one_spelling(typed) == "Anna Maria"


@pytest.mark.parametrize("name", ["Anna", "anna", "ANNA", "an-na", "anna.", "anna1", "annä", "Ａnna"])
def test_what_can_be_seen_is_kept(name: str) -> None:
    assert one_spelling(name) == name


@pytest.mark.parametrize("typed", ["", " ", "\u00a0", "\u200b\ufeff", "\t\r\n", "\x00"])
def test_nothing_to_see_is_no_name(typed: str) -> None:
    assert one_spelling(typed) == ""


@given(st.text())
def test_a_name_of_one_spelling_stays_as_it_is(text: str) -> None:
    once = one_spelling(text)
    assert one_spelling(once) == once
