"""Candidate boxes of a node: every axis-aligned rectangle whose edges lie on a few cuts of two features.

Kulldorff's spatial scan (1997, doi:10.1080/03610929708831995) over rectangles. A rectangle may reach to the end of the
map on any side, so strips and corners are among them; straight cuts are not, since they are searched without a grid.

Shapes: S speakers, P shufflings, K boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from evenvoice.cohorts.bounds import Bounds, Box, inside
from evenvoice.cohorts.table import Floats, Integers

Side = Literal["low", "high"]
SIDES: Final[tuple[Side, ...]] = ("low", "high")


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """Rectangles with the same number of finite edges over a grid of cells.

    Args:
        cells: (S,) the cell of each speaker, row by row.
        shape: cells along the first and the second feature.
        corners: (4, K) where the cumulated grid has what lies south-west of each corner of a box: north-east,
            south-east, north-west, south-west.
        bounds: per feature its cuts with an infinite end on both sides.
        ends: (K, 4) which of them bound a box: low and high of the first feature, then of the second.
    """

    cells: NDArray[np.intp]
    shape: tuple[int, int]
    corners: NDArray[np.intp]
    bounds: tuple[Floats, Floats]
    ends: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.ends)

    def sums(self, counts_PS: NDArray[Any]) -> Floats:
        """Sum (P, K) inside each box."""
        north_east, south_east, north_west, south_west = self.corners
        cumulated = _cumulated(counts_PS, self.cells, self.shape)
        sums_PK: Floats = cumulated.take(north_east, axis=1)
        sums_PK -= cumulated.take(south_east, axis=1)
        sums_PK -= cumulated.take(north_west, axis=1)
        sums_PK += cumulated.take(south_west, axis=1)
        return sums_PK

    def box(self, k: int) -> Box:
        """Box k as bounds of features 0 and 1."""
        ends = self.ends[k]
        both = (Bounds(float(cuts[low]), float(cuts[high]))
                for cuts, low, high in zip(self.bounds, ends[0::2], ends[1::2], strict=True))
        return {feature: bounds for feature, bounds in enumerate(both) if bounds.edges}


def boxes_by_edges(values_SF: Floats, grid: Sequence[Floats], speakers_S: Integers, min_speakers: int) -> list[Boxes]:
    """The boxes of two, of three and of four finite edges that leave enough speakers on either side.

    Args:
        values_SF: two features of each speaker, or pool of speakers, none unknown.
        grid: where edges may lie along each feature, ascending.
        speakers_S: how many each row stands for.
        min_speakers: inside and outside of a box at least.
    """
    shape = (len(grid[0]) + 1, len(grid[1]) + 1)
    rows_S, columns_S = (np.searchsorted(edges, values_S, side="left")
                         for edges, values_S in zip(grid, values_SF.T, strict=True))
    ends_K4 = _intervals(shape)
    edges_K = ((ends_K4[:, 0::2] > 0).sum(axis=1) + (ends_K4[:, 1::2] < np.array(shape)).sum(axis=1))
    every = Boxes(cells=rows_S * shape[1] + columns_S, shape=shape, corners=_corners(ends_K4, shape), ends=ends_K4,
                  bounds=tuple(np.concatenate([[-np.inf], edges, [np.inf]]) for edges in grid))  # type: ignore[arg-type]
    speakers_K = every.sums(speakers_S[None])[0]
    large_K = (speakers_K >= min_speakers) & (speakers_S.sum() - speakers_K >= min_speakers)
    return [_chosen(every, large_K & (edges_K == edges)) for edges in (2, 3, 4)]


@dataclass(frozen=True, kw_only=True)
class Moved:
    """The same box with one side elsewhere.

    Args:
        boxes: K of them.
        order: speakers within all of its other sides, so that those of box k are ``order[starts[k]:stops[k]]``.
    """

    boxes: tuple[Box, ...]
    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    stops: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.boxes)

    def sums(self, counts_PS: NDArray[Any]) -> Floats:
        """Sum (P, K) inside each box."""
        before_PS = np.cumsum(counts_PS[:, self.order], axis=1, dtype=np.float64)
        before_PS = np.concatenate([np.zeros((len(counts_PS), 1)), before_PS], axis=1)
        sums_PK: Floats = before_PS[:, self.stops] - before_PS[:, self.starts]
        return sums_PK

    def box(self, k: int) -> Box:
        """Box k."""
        return self.boxes[k]


def moved(box: Box, feature: int, side: Side, values_SF: Floats, grid: Floats, min_speakers: int) -> Moved:
    """A box first as it is, then with one side between any two speakers up to the next places of the grid.

    Args:
        grid: of the feature; the side lies on it.
    """
    values_S, bounds = values_SF[:, feature], box[feature]
    edge = getattr(bounds, side)
    ends = np.concatenate([[-np.inf], grid, [np.inf]])
    place = int(np.searchsorted(ends, edge))
    known = np.unique(values_S[np.isfinite(values_S)])
    middles = (known[1:] + known[:-1]) / 2
    near = middles[(middles > ends[place - 1]) & (middles < ends[place + 1]) & (middles != edge)]
    sides = [one for at in (edge, *near.tolist()) if (one := replace(bounds, **{side: float(at)})).low < one.high]
    others = {number: one for number, one in box.items() if number != feature}
    within = np.flatnonzero(inside(others, values_SF))
    lying = np.where(np.isnan(values_S[within]), -np.inf, values_S[within])
    order = np.argsort(lying, kind="stable")
    starts, stops = (np.searchsorted(lying[order], [getattr(one, which) for one in sides], side="right")
                     for which in SIDES)
    starts = np.where([one.low == -np.inf for one in sides], 0, starts)
    speakers_K = stops - starts
    large_K = (speakers_K >= min_speakers) & (len(values_SF) - speakers_K >= min_speakers)
    return Moved(boxes=tuple({**box, feature: one} for one, large in zip(sides, large_K, strict=True) if large),
                 order=within[order], starts=starts[large_K], stops=stops[large_K])


def widest_gaps(values_S: Floats, cuts: int) -> Floats:
    """At most ``cuts`` places to cut, ascending: from each of as many equal shares of the speakers the widest gap.

    Edges between settlements part nobody from their neighbours, and read as well as any other.
    """
    sorted_S = np.sort(values_S)
    distinct = np.unique(sorted_S)
    middles, gaps = (distinct[1:] + distinct[:-1]) / 2, np.diff(distinct)
    if len(middles) <= cuts:
        return middles
    shares = np.minimum(np.searchsorted(sorted_S, middles, side="right") * cuts // len(sorted_S), cuts - 1)
    starts = np.flatnonzero(np.diff(shares, prepend=-1))
    return np.array([middles[start + int(gaps[start:stop].argmax())]
                     for start, stop in zip(starts, [*starts[1:], len(middles)], strict=True)])


def _cumulated(counts_PS: NDArray[Any], cells_S: NDArray[np.intp], shape: tuple[int, int]) -> Floats:
    """What lies below and left of each corner of the grid, per shuffling: (P, corners)."""
    many, size = len(counts_PS), shape[0] * shape[1]
    places_PS = np.arange(many)[:, None] * size + cells_S
    per_cell = np.bincount(places_PS.ravel(), counts_PS.ravel(), minlength=many * size).reshape(many, *shape)
    cumulated = np.zeros((many, shape[0] + 1, shape[1] + 1))
    cumulated[:, 1:, 1:] = per_cell.cumsum(axis=1).cumsum(axis=2)
    return cumulated.reshape(many, -1)


def _intervals(shape: tuple[int, int]) -> NDArray[np.intp]:
    """Every pair of an interval of rows and one of columns: (K, 4)."""
    rows, columns = (np.column_stack(np.triu_indices(length + 1, 1)) for length in shape)
    return np.column_stack([np.repeat(rows, len(columns), axis=0), np.tile(columns, (len(rows), 1))])


def _corners(ends_K4: NDArray[np.intp], shape: tuple[int, int]) -> NDArray[np.intp]:
    south, north, west, east = ends_K4.T
    width = shape[1] + 1
    return np.stack([north * width + east, south * width + east, north * width + west, south * width + west])


def _chosen(boxes: Boxes, which_K: NDArray[np.bool_]) -> Boxes:
    return Boxes(cells=boxes.cells, shape=boxes.shape, corners=boxes.corners[:, which_K], bounds=boxes.bounds,
                 ends=boxes.ends[which_K])

