"""Parts of the map: who is in them, and how they are said."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.cohorts.bounds import Bounds, inside, part
from evenvoice.cohorts.features import coordinate

FEATURES = (coordinate("lat"), coordinate("lon"))
MIDDLE = {0: Bounds(30, 40), 1: Bounds(-100, -90)}
ENDS = st.one_of(st.just(math.inf), st.integers(0, 6).map(float))
BOUNDS = st.tuples(ENDS, ENDS).map(lambda ends: Bounds(-ends[0] if math.isinf(ends[0]) else min(ends), max(ends)))
BOXES = st.dictionaries(st.integers(0, 1), BOUNDS.filter(lambda bounds: bounds.low < bounds.high and bounds.edges),
                        min_size=1)
GRID = np.array([(row, column) for row in np.arange(-0.5, 7) for column in np.arange(-0.5, 7)])


def words(within, outside) -> str:
    return part(within, outside).words(FEATURES)


def test_everyone_outside_a_box_is_said_so():
    assert words([], [MIDDLE]) == "everyone except (north of 30, south of 40, east of -100, west of -90)"


def test_a_box_within_bounds_names_only_the_edges_that_the_bounds_leave_open():
    assert words([{0: Bounds(low=35)}], [MIDDLE]) == "north of 35 except (south of 40, east of -100, west of -90)"


def test_a_hole_of_one_edge_is_a_bound():
    assert words([{1: Bounds(-100, -90)}, {0: Bounds(low=30)}], [MIDDLE]) == "north of 40, east of -100, west of -90"


def test_a_hole_elsewhere_is_not_mentioned():
    assert words([{0: Bounds(high=20)}], [MIDDLE]) == "south of 20"


def test_an_unknown_value_counts_as_below_every_cut():
    unknown = np.array([[np.nan, -95.0]])
    assert not inside({0: Bounds(low=30)}, unknown)[0]
    assert inside({0: Bounds(high=30)}, unknown)[0]


@given(st.lists(BOXES, max_size=2), st.lists(BOXES, max_size=3))
def test_a_part_holds_who_is_in_all_boxes_and_in_none_of_the_others(within, outside):
    wanted = np.ones(len(GRID), dtype=bool)
    for box in within:
        wanted &= inside(box, GRID)
    for box in outside:
        wanted &= ~inside(box, GRID)
    told = part(within, outside)
    found = inside(told.box, GRID)
    for hole in told.holes:
        found &= ~inside(hole, GRID)
    assert found.tolist() == wanted.tolist()
