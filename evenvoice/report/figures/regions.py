"""The map: the geographic tree's regions, shaded by WER, over coarse outlines that need no network.

A region is a box, or what is left of one after other regions' boxes were taken out of it.
"""

from __future__ import annotations

import json
import math
from importlib.resources import files

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from evenvoice.metrics.publication import Row
from evenvoice.report.contents import Contents
from evenvoice.report.figures.style import COHORT_SCALE, INK, QUIET, figure, svg

Piece = tuple[float, float, float, float]
"""West, east, south, north, in degrees."""

CONTIGUOUS_US = (-126.0, -66.0, 24.0, 50.5)
WORLD = (-170.0, 180.0, -56.0, 75.0)


def regions_figure(contents: Contents) -> str | None:
    """Regions on a map, shaded by the challenger's WER on test speakers; None where there are no two to tell apart."""
    tree = next((method for method in contents.methods if method.name == "geographic"), None)
    if tree is None or not tree.applicable or len(tree.extra.get("boxes", {})) < 2:
        return None
    shown = {row["cohort"] for row in tree.cohorts}
    boxes = {cohort: box for cohort, box in tree.extra.get("boxes", {}).items() if cohort in shown}
    rates = {cohort: wer["wer"] for cohort in boxes
             if (wer := contents.wer(contents.challenger, "geographic", cohort)) and wer["wer"] is not None}
    if not boxes or not rates:
        return None
    extent = CONTIGUOUS_US if contents.corpus["labelled"] == "synthetic" else WORLD
    width = 7.6
    squeeze = math.cos(math.radians((extent[2] + extent[3]) / 2))
    with figure(width, width * (extent[3] - extent[2]) / (extent[1] - extent[0]) / squeeze + 0.5) as drawing:
        axes = drawing.subplots()
        _outlines(axes, extent)
        _boxes(axes, boxes, rates, extent)
        axes.set_xlim(extent[:2])
        axes.set_ylim(extent[2:])
        axes.set_aspect(1 / squeeze)
        axes.set_axis_off()
        return svg(drawing, f"Regions of the geographic tree, shaded by {contents.unit} error rate")


def _outlines(axes: Axes, extent: tuple[float, float, float, float]) -> None:
    outlines = json.loads(files("evenvoice.report").joinpath("assets/outlines.json").read_text(encoding="utf-8"))
    if extent == WORLD:
        axes.add_collection(LineCollection(outlines["land"], colors=QUIET, linewidths=0.6))
        return
    axes.add_collection(LineCollection(outlines["us_borders"], colors=QUIET, linewidths=0.35, alpha=0.6))
    axes.add_collection(LineCollection(outlines["us_coast"], colors=QUIET, linewidths=0.8))


def _boxes(axes: Axes, boxes: dict[str, Row], rates: dict[str, float],
           extent: tuple[float, float, float, float]) -> None:
    scale = Normalize(0.8 * min(rates.values()), 1.02 * max(rates.values()))
    colours = mpl.colormaps[COHORT_SCALE]
    for cohort, rate in rates.items():
        pieces, colour = pieces_of(boxes[cohort], extent), colours(scale(rate))
        if not pieces:  # it lies beyond the edge of the map
            continue
        axes.add_collection(PatchCollection([_patch(piece) for piece in pieces], facecolor=colour, edgecolor=colour,
                                            linewidth=0.3, alpha=0.55, zorder=0))
        west, east, south, north = max(pieces, key=lambda piece: (piece[1] - piece[0]) * (piece[3] - piece[2]))
        axes.text((west + east) / 2, (south + north) / 2, f"{cohort}\n{100 * rate:.1f} %", ha="center", va="center",
                  fontsize=9.5, color=INK, fontweight="bold")
    axes.add_collection(LineCollection(_borders([boxes[cohort] for cohort in rates], extent), colors=INK,
                                       linewidths=0.9, zorder=1))


def _patch(piece: Piece) -> Rectangle:
    west, east, south, north = piece
    return Rectangle((west, south), east - west, north - south)


def pieces_of(box: Row, extent: Piece) -> list[Piece]:
    """A region on the map as rectangles that touch each other at most: its box without the boxes it leaves out."""
    pieces = [piece for piece in [_clipped(box, extent)] if _has_area(piece)]
    for hole in box.get("except", []):
        pieces = [left for piece in pieces for left in _without(piece, _clipped(hole, extent))]
    return pieces


def _has_area(piece: Piece) -> bool:
    return piece[0] < piece[1] and piece[2] < piece[3]


def _without(piece: Piece, hole: Piece) -> list[Piece]:
    """What is left of a rectangle: a strip west, east, south and north of the hole, where there is one."""
    west, east, south, north = piece
    inner = (max(west, hole[0]), min(east, hole[1]), max(south, hole[2]), min(north, hole[3]))
    if not _has_area(inner):
        return [piece]
    strips = [(west, inner[0], south, north), (inner[1], east, south, north),
              (inner[0], inner[1], south, inner[2]), (inner[0], inner[1], inner[3], north)]
    return [strip for strip in strips if _has_area(strip)]


def _borders(regions: list[Row], extent: Piece) -> list[list[tuple[float, float]]]:
    """Lines between points of different regions, and around all of them.

    All edges of all boxes make a grid; each side of a cell is a border where the cell beside it is of another region.
    """
    pieces = [(number, piece) for number, region in enumerate(regions) for piece in pieces_of(region, extent)]
    xs = sorted({x for _, piece in pieces for x in piece[:2]})
    ys = sorted({y for _, piece in pieces for y in piece[2:]})
    owner = np.full((len(xs) + 1, len(ys) + 1), -1)  # a margin of nobody's around the grid
    for number, (west, east, south, north) in pieces:
        owner[xs.index(west) + 1:xs.index(east) + 1, ys.index(south) + 1:ys.index(north) + 1] = number
    upright = [[(xs[column], ys[row]), (xs[column], ys[row + 1])]
               for column, row in zip(*np.nonzero(np.diff(owner[:, 1:-1], axis=0)), strict=True)]
    level = [[(xs[column], ys[row]), (xs[column + 1], ys[row])]
             for column, row in zip(*np.nonzero(np.diff(owner[1:-1], axis=1)), strict=True)]
    return upright + level


def _clipped(box: Row, extent: Piece) -> Piece:
    """A box as far as the map shows it; a side without a bound reaches to the edge of the map."""
    west, east = _clip(box["lon_min"], box["lon_max"], extent[:2])
    south, north = _clip(box["lat_min"], box["lat_max"], extent[2:])
    return west, east, south, north


def _clip(low: float | None, high: float | None, limits: tuple[float, float]) -> tuple[float, float]:
    return (limits[0] if low is None else max(low, limits[0])), (limits[1] if high is None else min(high, limits[1]))
