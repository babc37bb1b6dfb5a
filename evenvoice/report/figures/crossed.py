"""Heat map of two crossed columns: WER of every group that both make, with its speakers and interval."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from evenvoice.metrics.partitions import crossed_name, method_of, partition_name
from evenvoice.metrics.publication import Row
from evenvoice.report.contents import Contents, Method
from evenvoice.report.figures.style import COHORT_SCALE, FAINT, INK, figure, plain, svg

PALE: Final = 0.75
"""Of the colour scale: upwards of it, ink is white."""
NARROWEST: Final = 7.6
"""Inches, as other figures: all are stretched to the page, letters with them."""


def crossed_figure(contents: Contents, method: Method) -> str | None:
    """Groups of the first column down, of the second across; None without two groups to show.

    Empty where nobody is or too few are to be shown. What is not judged is in italics.
    """
    values = [_values(contents, partition_name(method_of(method.name), (column,))) for column in method.columns]
    shown = {cell: row for cell in product(*values)
             if (row := contents.wer(contents.challenger, method.name, crossed_name(cell))) and row["wer"] is not None}
    if len(shown) < 2:
        return None
    rows, columns = ([value for value in of_column if any(cell[side] == value for cell in shown)]
                     for side, of_column in enumerate(values))
    with figure(max(NARROWEST, 2.4 + 1.35 * len(columns)), 0.9 + 0.72 * len(rows)) as drawing:
        axes = drawing.subplots()
        judged = {cohort["cohort"] for cohort in method.cohorts}
        _draw_cells(axes, rows, columns, shown, judged)
        axes.set_xticks(range(len(columns)), [plain(value) for value in columns])
        axes.set_yticks(range(len(rows)), [plain(value) for value in rows])
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(method.columns[1].replace("_", " "))
        axes.set_ylabel(method.columns[0].replace("_", " "))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return svg(drawing, f"{contents.unit.capitalize()} error rate by {' and '.join(method.columns)}")


def _values(contents: Contents, alone: str) -> list[str]:
    """Groups of one column in the order of its own partition, those behind that are not judged."""
    method = next(method for method in contents.methods if method.name == alone)
    return [str(row["cohort"]) for row in (*method.cohorts, *method.aside)]


def _draw_cells(axes: Axes, rows: list[str], columns: list[str], shown: Mapping[tuple[str, ...], Row], judged: set[str]
                ) -> None:
    rates = [row["wer"] for row in shown.values()]
    # neither end is a figure, so rates that hardly differ are hardly told apart
    scale, colours = Normalize(0.5 * min(rates), 1.1 * max(rates)), mpl.colormaps[COHORT_SCALE]
    for (down, value), (across, other) in product(enumerate(rows), enumerate(columns)):
        row = shown.get((value, other))
        place = float(scale(row["wer"])) if row else 0.0
        axes.add_patch(Rectangle((across - 0.48, down - 0.46), 0.96, 0.92, edgecolor=FAINT,
                                 facecolor=colours(place) if row else "none"))
        if row:
            style = "normal" if row["cohort"] in judged else "italic"
            axes.text(across, down, _figures(row), ha="center", va="center", fontsize=8.5, style=style,
                      color="white" if place > PALE else INK)


def _figures(row: Row) -> str:
    """WER, interval and speakers, a line each; one speaker has no interval."""
    lines = [f"{100 * row['wer']:.1f} %", f"{row['speakers']} speaker{'s' if row['speakers'] > 1 else ''}"]
    if row["wer_low"] is not None:
        lines.insert(1, f"{100 * row['wer_low']:.1f} – {100 * row['wer_high']:.1f}")
    return "\n".join(lines)
