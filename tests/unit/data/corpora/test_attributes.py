"""Attributes in one spelling."""

from __future__ import annotations

import pytest

from evenvoice.data.corpora.attributes import age_band, gender


@pytest.mark.parametrize(("age", "band"), [
    ("17", "0-17"), ("18", "18-24"), ("24.5", "18-24"), ("64", "55-64"), ("65", "65+"), ("101", "65+"),
    ("twenties", "twenties"), ("18-24", "18-24"), ("", None), (None, None), ("-3", None), ("nan", None)])
def test_ages_become_bands(age: str | None, band: str | None) -> None:
    assert age_band(age) == band


@pytest.mark.parametrize(("word", "spelled"), [("f", "female"), ("M", "male"), ("Female", "female"), (None, None)])
def test_genders_are_spelled_out(word: str | None, spelled: str | None) -> None:
    assert gender(word) == spelled
