"""Gap against share: how far each discovery method pulls cohorts apart, beside what random partitions give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from evenvoice.params import BASE
from evenvoice.report.contents import Contents
from evenvoice.report.figures.style import CHALLENGER, INK, QUIET, figure, grid, svg

Row = Mapping[str, Any]
"""Of gaps.parquet."""
LABEL_HEIGHT = 0.17
"""Of a label of two lines, as a share of the axis."""


def gaps_figure(contents: Contents) -> str | None:
    """Spread between best and worst cohort, base model, test speakers; bars reach to the null's 95th percentile.

    Of methods that search for cohorts: declared groups stand in the table alone.
    """
    found = [method for method in contents.methods if not method.columns]
    shown = [(method, row) for method in found
             if (row := contents.gap(BASE, method.name)) is not None and row["spread"] is not None]
    if not shown:
        return None
    with figure(7.6, 3.6) as drawing:
        axes = drawing.subplots()
        _draw_points(axes, [row for _, row in shown])
        axes.set_xlabel("share of test speakers in the bottom cohort, %")
        axes.set_ylabel("(worst - best) / best, %")
        axes.set_ylim(0, 1.35 * max(100 * max(row["spread"], row["null_spread_high"] or 0) for _, row in shown) + 1)
        axes.set_xlim(0, max(100 * row["bottom_share"] for _, row in shown) * 1.6 + 4)
        _name_points(axes, [(f"{method.title}\n{row['cohorts']} cohorts", row) for method, row in shown])
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
        grid(axes, "y")
        return svg(drawing, "Gap against share of the bottom cohort for each discovery method")


def _draw_points(axes: Axes, rows: list[Row]) -> None:
    for row in rows:
        share = 100 * row["bottom_share"]
        if row["null_spread_high"] is not None:
            axes.plot([share, share], [0, 100 * row["null_spread_high"]], color=QUIET, linewidth=9, alpha=0.28,
                      solid_capstyle="butt")
            axes.plot(share, 100 * row["null_spread"], "_", color=QUIET, markersize=15, markeredgewidth=2)
        axes.plot(share, 100 * row["spread"], "o", color=CHALLENGER, markersize=9)
    axes.plot([], [], "o", color=CHALLENGER, label="found")
    axes.plot([], [], color=QUIET, linewidth=9, alpha=0.28, label="chance: mean and 95th percentile")


def _name_points(axes: Axes, named: list[tuple[str, Row]]) -> None:
    """To the right of each point; names of points that lie close together stand above each other, with a line."""
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    heights = apart([100 * row["spread"] for _, row in named], LABEL_HEIGHT * top)
    for (name, row), height in zip(named, heights, strict=True):
        point = (100 * row["bottom_share"], 100 * row["spread"])
        axes.annotate(name, point, xytext=(point[0] + 0.03 * right, height), va="center", color=INK, fontsize=9.5,
                      arrowprops={"arrowstyle": "-", "color": QUIET, "linewidth": 0.8})


def apart(heights: list[float], distance: float) -> list[float]:
    """Heights for labels: those wished for, moved up as far as it takes to keep them ``distance`` apart."""
    placed: dict[int, float] = {}
    floor = distance / 2
    for index in sorted(range(len(heights)), key=heights.__getitem__):
        placed[index] = max(heights[index], floor)
        floor = placed[index] + distance
    return [placed[index] for index in range(len(heights))]
