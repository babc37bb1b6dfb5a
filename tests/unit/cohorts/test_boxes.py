"""Candidate boxes beside a count by hand."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from evenvoice.cohorts.bounds import Bounds, edges, inside
from evenvoice.cohorts.boxes import Boxes, boxes_by_edges, moved, widest_gaps

COORDINATES = st.integers(0, 12).map(lambda tenths: tenths / 10)
PEOPLE = st.lists(st.tuples(COORDINATES, COORDINATES, st.integers(0, 9)), min_size=1, max_size=25)


def boxes_over(values_SF: np.ndarray, cuts: int, least: int) -> list[Boxes]:
    return boxes_by_edges(values_SF, [widest_gaps(column, cuts) for column in values_SF.T],
                          np.ones(len(values_SF), dtype=int), least)


@given(PEOPLE, st.integers(1, 4), st.integers(1, 3))
def test_the_sum_of_each_box_is_that_of_the_people_in_it(people, cuts, least):
    values_SF, counts_S = np.array([one[:2] for one in people]), np.array([one[2] for one in people])
    for number, boxes in enumerate(boxes_over(values_SF, cuts, least), start=2):
        sums_K = boxes.sums(counts_S[None])[0]
        for k in range(len(boxes)):
            members_S = inside(boxes.box(k), values_SF)
            assert edges(boxes.box(k)) == number
            assert sums_K[k] == counts_S[members_S].sum()
            assert least <= members_S.sum() <= len(people) - least


@given(PEOPLE, st.integers(1, 3), st.integers(0, 2))
def test_a_box_is_moved_by_one_side_and_first_left_as_it_is(people, least, place):
    values_SF, counts_S = np.array([one[:2] for one in people]), np.array([one[2] for one in people])
    grid = widest_gaps(values_SF[:, 0], 3)
    assume(place < len(grid))
    box = {0: Bounds(low=float(grid[place])), 1: Bounds(high=1.0)}
    candidates = moved(box, 0, "low", values_SF, grid, least)
    members = [inside(candidates.box(k), values_SF) for k in range(len(candidates))]
    assert all(candidates.box(k)[1] == Bounds(high=1.0) for k in range(len(candidates)))
    assert candidates.sums(counts_S[None]).tolist() == [[counts_S[who].sum() for who in members]]
    if least <= inside(box, values_SF).sum() <= len(people) - least:
        assert candidates.box(0) == box


def test_every_rectangle_over_a_grid_is_a_candidate():
    corners = np.array([(row, column) for row in range(4) for column in range(4)], dtype=float)
    two, three, four = boxes_over(corners, 3, 1)
    intervals = {"open": 1, "half": 6, "closed": 3}  # of four rows: all, from an end, and those between two cuts
    assert len(two) == 2 * intervals["open"] * intervals["closed"] + intervals["half"] ** 2
    assert len(three) == 2 * intervals["half"] * intervals["closed"]
    assert len(four) == intervals["closed"] ** 2


def test_edges_lie_between_settlements():
    settlements = np.repeat([10.0, 20.0, 30.0, 40.0], 6) + np.tile([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], 4)
    assert {15.25, 25.25, 35.25} <= set(widest_gaps(settlements, 4).tolist())


def test_few_different_places_are_all_cut_apart():
    assert widest_gaps(np.array([3.0, 1.0, 1.0, 2.0]), 5).tolist() == [1.5, 2.5]
