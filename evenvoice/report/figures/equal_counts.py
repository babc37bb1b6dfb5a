"""Which method finds more here: spread beyond chance on test speakers, where all methods make equally many cohorts."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from evenvoice.metrics.publication import Row
from evenvoice.report.contents import Contents
from evenvoice.report.figures.style import INK, QUIET, figure, grid, svg

COLOURS = ("#0f766e", "#b45309", "#4f46e5")
MARKERS = ("o", "s", "D")
APART = 0.1
"""Of a cohort: methods stand beside each other at the same number."""


def equal_counts_figure(contents: Contents) -> str | None:
    """Lines over the number of cohorts, filled where chance rarely gives as much; None with nothing to compare."""
    lines = [(method.title, [row for row in contents.equal_counts if row["method"] == method.name])
             for method in contents.methods]
    if sum(bool(rows) for _, rows in lines) < 2:
        return None
    with figure(7.6, 3.4) as drawing:
        axes = drawing.subplots()
        axes.axhline(0, color=QUIET, linewidth=1)
        for number, (title, rows) in enumerate(lines):
            _draw(axes, title, rows, number, (number - (len(lines) - 1) / 2) * APART)
        axes.plot([], [], "o", markerfacecolor="white", markeredgecolor=INK, label="within chance (95th percentile)")
        axes.set_xlabel("cohorts")
        axes.set_ylabel("spread beyond chance, %")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.margins(x=0.12, y=0.15)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        grid(axes, "y")
        return svg(drawing, "Spread beyond chance of each discovery method at equal numbers of cohorts")


def _draw(axes: Axes, title: str, rows: list[Row], number: int, shift: float) -> None:
    if not rows:
        return
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    places = [row["cohorts"] + shift for row in rows]
    beyond = [100 * (row["spread"] - row["null_spread"]) for row in rows]
    axes.plot(places, beyond, color=colour, linewidth=1.6, zorder=2)
    for place, height, row in zip(places, beyond, rows, strict=True):
        face = colour if row["spread"] > row["null_spread_high"] else "white"
        axes.plot(place, height, marker, markersize=8, markerfacecolor=face, markeredgecolor=colour, zorder=3)
    axes.plot([], [], color=colour, marker=marker, markersize=8, label=title)
