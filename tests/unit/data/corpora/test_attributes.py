"""Attributes in one spelling."""

from __future__ import annotations

import pytest

from evenvoice.data.corpora.attributes import age_band, gender, in_table, told


@pytest.mark.parametrize(("age", "band"), [
    ("17", "0-17"), ("18", "18-24"), ("24.5", "18-24"), ("64", "55-64"), ("65", "65+"), ("101", "65+"),
    ("18-24", "18-24"), ("", None), (None, None), ("-3", None), ("nan", None)])
def test_ages_become_bands(age: str | None, band: str | None) -> None:
    assert age_band(age) == band


@pytest.mark.parametrize(("written", "band"), [
    ("twenties", "20-29"), ("20-29", "20-29"), ("20 – 29", "20-29"), ("20 to 29", "20-29"), ("teens", "10-19"),
    ("fourties", "40-49"), ("60 +", "60+"), ("60 and over", "60+"), (">=60", "60+"), ("<18", "0-17"),
    ("under 18", "0-17")])
def test_bands_are_written_in_one_way(written: str, band: str) -> None:
    assert age_band(written) == band


@pytest.mark.parametrize("year", ["1984", "1984.0", "1989"])
def test_a_year_of_birth_is_a_decade_of_birth_and_no_age(year: str) -> None:
    assert age_band(year) == "born 1980-1989"


@pytest.mark.parametrize(("word", "spelled"), [
    ("f", "female"), ("M", "male"), ("Female", "female"), ("female_feminine", "female"), ("male_masculine", "male"),
    ("Non-Binary", "non-binary"), ("nonbinary", "non-binary"), (None, None), ("do_not_wish_to_say", None),
    ("n/a", None)])
def test_genders_are_spelled_out(word: str | None, spelled: str | None) -> None:
    assert gender(word) == spelled


@pytest.mark.parametrize(("column", "read", "written", "kept"), [
    ("gender", gender, "Two-Spirit", "two-spirit"), ("age_band", age_band, "Adult", "Adult"),
    ("age_band", age_band, "999", "999")])
def test_what_the_table_does_not_know_is_kept_and_told(column: str, read, written: str, kept: str) -> None:
    assert read(written) == kept
    assert not in_table(column, kept)


@pytest.mark.parametrize(("column", "value"), [
    ("gender", "female"), ("gender", "other"), ("age_band", "20-29"), ("age_band", "65+"),
    ("age_band", "born 1980-1989"), ("accent", "Scottish")])
def test_what_the_table_knows_is_not_listed(column: str, value: str) -> None:
    assert in_table(column, value)


@pytest.mark.parametrize(("written", "value"), [
    (" Scottish  English ", "Scottish English"), ("NA", "NA"), ("none", "none"), ("Unknown", None), ("", None),
    (None, None)])
def test_other_values_stay_as_they_were_written(written: str | None, value: str | None) -> None:
    assert told(written) == value
