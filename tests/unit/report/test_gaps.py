"""Names of points that lie close together can be read."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from evenvoice.report.figures.gaps import apart


def test_names_far_from_each_other_stay_beside_their_points() -> None:
    assert apart([90.0, 20.0, 50.0], 10.0) == [90.0, 20.0, 50.0]


@given(st.lists(st.integers(0, 400).map(float), max_size=5), st.integers(1, 60).map(float))
def test_no_two_names_lie_on_each_other_and_none_moves_down(heights: list[float], distance: float) -> None:
    placed = apart(heights, distance)

    assert all(upper - lower >= distance for lower, upper in pairwise(sorted(placed)))
    assert all(moved >= wished for moved, wished in zip(placed, heights, strict=True))
