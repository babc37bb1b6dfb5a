"""How soon the end of a turn is told, against how many turns are cut off: prices of a late end, and silence alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from evenvoice.report.figures.style import CHALLENGER, INK, LIMIT, QUIET, figure, grid, svg

PANELS: Final = {"eot_p50_s": "half of the ends are told by", "eot_p90_s": "nine in ten are told by"}


def endings_figure(arms: Mapping[str, Sequence[Mapping[str, Any]]],
                   silence: Mapping[float, Sequence[Mapping[str, Any]]], note: str) -> str:
    """Draw both as SVG.

    Args:
        arms: arm -> its row of the ENDPOINTING table, for each seed.
        silence: seconds of silence that the energy detector waits for -> its rows likewise.
        note: what was measured, below the panels.
    """
    with figure(10.4, 4.6) as drawing:
        panels = drawing.subplots(1, 2, sharey=True)
        for axes, (column, title) in zip(panels, PANELS.items(), strict=True):
            waits = [(100 * _mean(rows, "cut"), _mean(rows, column), wait) for wait, rows in silence.items()]
            axes.plot([late for _, late, _ in waits], [cut for cut, _, _ in waits], color=QUIET, marker="o",
                      markersize=4, linewidth=1.4, label="energy, by seconds of silence")
            for cut, late, wait in waits:
                axes.annotate(f"{wait:g}", (late, cut), xytext=(4, 4), textcoords="offset points", fontsize=8,
                              color=QUIET)
            for number, (name, rows) in enumerate(arms.items()):
                colour = CHALLENGER if "price" in name else INK if "activity" in name else LIMIT
                axes.plot(_mean(rows, column), 100 * _mean(rows, "cut"), color=colour, marker="osD^vPX"[number % 7],
                          markersize=8, linestyle="none", label=name)
            axes.set_title(title)
            axes.set_xlabel("seconds after the turn")
            grid(axes, "x")
            grid(axes, "y")
        panels[0].set_ylabel("turns cut off, %; lower left is better")
        handles, names = panels[0].get_legend_handles_labels()
        drawing.legend(handles, names, loc="outside right upper", fontsize=9)
        drawing.supxlabel(note, fontsize=9, color=QUIET)
        return svg(drawing, "Share of turns cut off against the time until their end is told")


def _mean(rows: Sequence[Mapping[str, Any]], column: str) -> float:
    return float(np.mean([row[column] for row in rows]))
