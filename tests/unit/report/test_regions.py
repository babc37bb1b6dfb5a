"""The map covers every place once, whatever lies within what."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from evenvoice.report.figures.regions import _borders, pieces_of, regions_figure
from tests.builders.report import made_contents

MAP = (0.0, 10.0, 0.0, 10.0)


def box(west=None, east=None, south=None, north=None, leaves_out=()):
    return {"lon_min": west, "lon_max": east, "lat_min": south, "lat_max": north, "except": list(leaves_out)}


MIDDLE = box(4.0, 6.0, 4.0, 6.0)
ENDS = st.tuples(st.integers(-2, 12), st.integers(-2, 12)).map(lambda pair: (float(min(pair)), float(max(pair))))
BOXES = st.tuples(ENDS, ENDS).map(lambda both: box(*both[0], *both[1]))


def holds(region, x: float, y: float) -> bool:
    within = all(edge is None or (x > edge if low else x < edge) for edge, low in (
        (region["lon_min"], True), (region["lon_max"], False))) and all(
        edge is None or (y > edge if low else y < edge) for edge, low in (
            (region["lat_min"], True), (region["lat_max"], False)))
    return within and not any(holds(hole, x, y) for hole in region["except"])


def area(piece) -> float:
    return (piece[1] - piece[0]) * (piece[3] - piece[2])


def test_everyone_outside_of_a_box_is_the_map_without_it():
    pieces = pieces_of(box(leaves_out=[MIDDLE]), MAP)
    assert sum(map(area, pieces)) == 96
    assert pieces_of(MIDDLE, MAP) == [(4.0, 6.0, 4.0, 6.0)]


def test_a_region_beyond_the_map_has_no_piece():
    assert pieces_of(box(west=11.0), MAP) == []


@given(BOXES, st.lists(BOXES, max_size=3))
def test_each_place_lies_in_one_piece_or_in_none(outer, holes):
    region = {**outer, "except": holes}
    pieces = pieces_of(region, MAP)
    for x in range(10):
        for y in range(10):
            covered = sum(west < x + 0.5 < east and south < y + 0.5 < north for west, east, south, north in pieces)
            assert covered == holds(region, x + 0.5, y + 0.5)


def test_there_is_a_line_around_the_box_and_around_the_map_and_none_between_pieces_of_one_region():
    lines = _borders([MIDDLE, box(leaves_out=[MIDDLE])], MAP)
    length = sum(abs(end[0] - start[0]) + abs(end[1] - start[1]) for start, end in lines)
    assert length == 4 * 2 + 4 * 10


def test_one_region_is_no_map(tmp_path):
    contents = made_contents(tmp_path)
    assert regions_figure(contents) is not None
    [tree] = [method for method in contents.methods if method.name == "geographic"]
    alone = replace(tree, extra={**tree.extra, "boxes": dict([*tree.extra["boxes"].items()][:1])})
    assert regions_figure(replace(contents, methods=(alone,))) is None
