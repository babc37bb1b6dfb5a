"""Small cohorts are hidden, and whatever would give them away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.metrics.suppression import suppress


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
