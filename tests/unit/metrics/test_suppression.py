"""Small cohorts are hidden, and whatever would give them away."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.metrics.suppression import suppress, suppress_crossed


@pytest.mark.parametrize(("counts", "hidden"), [
    ({"a": 10, "b": 12, "c": 30}, set()),
    ({"a": 3, "b": 12, "c": 30}, {"a", "b"}),  # a alone would be whole - b - c
    ({"a": 3, "b": 4, "c": 30}, {"a", "b"}),  # together seven, enough
    ({"a": 1, "b": 1, "c": 8, "d": 30}, {"a", "b", "c"}),  # a and b together are only two people
    ({"a": 0, "b": 12, "c": 30}, {"a"}),  # nobody to protect
    ({"a": 0, "b": 3, "c": 30}, {"a", "b", "c"}),  # an empty sibling hides nothing
    ({"a": 3, "b": 4}, {"a", "b"}),
    ({"a": 3}, {"a"}),
    ({}, set()),
])
def test_hidden_cohorts_of_fewer_than_five_speakers(counts: dict[str, int], hidden: set[str]) -> None:
    assert suppress(counts, 5) == hidden


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.integers(0, 30), max_size=8), st.integers(1, 12))
def test_nothing_below_k_can_be_seen_or_computed(counts: dict[str, int], k: int) -> None:
    hidden = suppress(counts, k)
    shown = set(counts) - hidden
    assert all(counts[cohort] >= k for cohort in shown)
    recoverable = sum(counts.values()) - sum(counts[cohort] for cohort in shown)
    if shown:
        assert recoverable == 0 or recoverable >= k
        assert sum(counts[cohort] > 0 for cohort in hidden) != 1


@pytest.mark.parametrize(("counts", "hidden"), [
    ({("f", "young"): 10, ("f", "old"): 12, ("m", "young"): 9, ("m", "old"): 30}, set()),
    # what is left of its row, of its column, and of both, has to be several cells
    ({("f", "young"): 3, ("f", "old"): 12, ("m", "young"): 9, ("m", "old"): 30},
     {("f", "young"), ("f", "old"), ("m", "young"), ("m", "old")}),
    ({("f", "young"): 3, ("f", "old"): 12, ("f", "middle"): 14,
      ("m", "young"): 9, ("m", "old"): 30, ("m", "middle"): 40},
     {("f", "young"), ("f", "old"), ("m", "young"), ("m", "old")}),
    ({("f", "young"): 0, ("f", "old"): 12, ("m", "young"): 9, ("m", "old"): 30}, {("f", "young")}),
])
def test_hidden_cells_of_fewer_than_five_speakers(counts: dict[tuple[str, str], int], hidden: set[tuple[str, str]]
                                                  ) -> None:
    assert suppress_crossed(counts, (set(), set()), 5) == hidden


def test_cells_of_a_hidden_group_are_hidden() -> None:
    counts = {(gender, age): 20 for gender in "fmx" for age in ("young", "old")}
    assert suppress_crossed(counts, ({"f", "m"}, set()), 5) == {
        (gender, age) for gender in "fm" for age in ("young", "old")}


ROWS, COLUMNS = "abc", "xyz"


@given(st.lists(st.integers(0, 12), min_size=9, max_size=9), st.integers(2, 6))
def test_no_combination_of_what_is_shown_is_a_sum_over_few_speakers(sizes: list[int], k: int) -> None:
    """By brute force: all sums of rows minus columns of hidden cells that count each cell once or not at all."""
    counts = dict(zip(product(ROWS, COLUMNS), sizes, strict=True))
    hidden = suppress_crossed(counts, (set(), set()), k)
    assert all(counts[cell] >= k for cell in counts.keys() - hidden)
    occupied = [cell for cell in hidden if counts[cell]]
    if hidden == counts.keys():
        return
    for rows, columns in product(product((0, 1), repeat=3), repeat=2):
        times = [rows[ROWS.index(row)] - columns[COLUMNS.index(column)] for row, column in occupied]
        if set(times) <= {0, 1}:
            total = sum(counts[cell] for cell, time in zip(occupied, times, strict=True) if time)
            assert total == 0 or total >= k
