"""The map: the geographic tree's regions as boxes, shaded by WER, over coarse outlines that need no network."""

from __future__ import annotations

import json
import math
from importlib.resources import files

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from evenvoice.metrics.publication import Row
from evenvoice.report.contents import Contents
from evenvoice.report.figures.style import COHORT_SCALE, INK, QUIET, figure, svg

CONTIGUOUS_US = (-126.0, -66.0, 24.0, 50.5)  # west, east, south, north, in degrees
WORLD = (-170.0, 180.0, -56.0, 75.0)


def regions_figure(contents: Contents) -> str | None:
    """Regions on a map, shaded by the challenger's WER on test speakers; None where no tree applies."""
    tree = next((method for method in contents.methods if method.name == "geographic"), None)
    if tree is None or not tree.applicable:
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
        return svg(drawing, "Regions of the geographic tree, shaded by word error rate")


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
        west, east = _clip(boxes[cohort]["lon_min"], boxes[cohort]["lon_max"], extent[:2])
        south, north = _clip(boxes[cohort]["lat_min"], boxes[cohort]["lat_max"], extent[2:])
        axes.add_patch(Rectangle((west, south), east - west, north - south, facecolor=colours(scale(rate)), alpha=0.55,
                                 edgecolor=INK, linewidth=0.9, zorder=0))
        axes.text((west + east) / 2, (south + north) / 2, f"{cohort}\n{100 * rate:.1f} %", ha="center", va="center",
                  fontsize=9.5, color=INK, fontweight="bold")


def _clip(low: float | None, high: float | None, limits: tuple[float, float]) -> tuple[float, float]:
    """A side without a bound reaches to the edge of the map."""
    return (limits[0] if low is None else max(low, limits[0])), (limits[1] if high is None else min(high, limits[1]))
