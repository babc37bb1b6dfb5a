"""Strings as numbers and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.data.coded import Coded, picked, strings_of

COLUMNS = st.lists(st.sampled_from(["north", "south", "", "\ud800", None]), max_size=12)


def array(strings: list[str | None]) -> np.ndarray:
    return np.array([*strings, None], dtype=object)[:-1]


@given(COLUMNS)
def test_each_row_has_the_number_of_its_string(strings: list[str | None]) -> None:
    coded = Coded.of(array(strings))
    named = [*coded.numbers, None]
    assert [named[code] for code in coded.codes.tolist()] == strings
    assert list(coded.numbers) == [string for string in dict.fromkeys(strings) if string is not None]


@given(COLUMNS)
def test_who_holds_a_string_is_who_equals_it(strings: list[str | None]) -> None:
    coded = Coded.of(array(strings))
    for string in ("north", "west"):
        assert coded.holding(string).tolist() == [other == string for other in strings]


def test_a_column_becomes_an_array_that_keeps_each_string_once() -> None:
    column = pa.chunked_array([["north", None, "south"], ["north"]])
    strings = strings_of(column)
    assert strings.tolist() == ["north", None, "south", "north"]
    assert strings[0] is strings[3]


def test_a_column_without_rows_is_an_array_without_rows() -> None:
    assert strings_of(pa.chunked_array([], type=pa.string())).tolist() == []


def test_places_become_a_column_that_is_null_where_there_is_none() -> None:
    assert picked(["north", "south"], np.array([1, -1, 0])).to_pylist() == ["south", None, "north"]
    assert picked([], np.array([-1])).to_pylist() == [None]
