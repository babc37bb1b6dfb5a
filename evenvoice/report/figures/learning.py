"""The bottom cohort's WER against its training speakers, continued to where its gap is at the limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from evenvoice.report.figures.style import CHALLENGER, INK, LIMIT, QUIET, REFERENCE, figure, grid, svg

Row = Mapping[str, Any]


def learning_figure(wanted: Row | None) -> str | None:
    """Trainings as points, the curve through them, and the forecast where it meets the limit."""
    if wanted is None or not wanted["points"]:
        return None
    points = wanted["points"]
    sizes = np.array([point["speakers"] for point in points])
    limit = 100 * float(np.mean([point["top_wer"] for point in points])) * (1 + wanted["limit"])
    needed = None if wanted["more_speakers"] is None else sizes[-1] + wanted["more_speakers"]["estimate"]
    with figure(7.6, 3.6) as drawing:
        axes = drawing.subplots()
        _draw_trainings(axes, sizes, points)
        _draw_law(axes, wanted)
        axes.axhline(limit, color=LIMIT, linewidth=1.2, linestyle=":", label=f"{wanted['top']} and the limit")
        if needed is not None:
            _draw_forecast(axes, wanted, sizes[-1], limit)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator([*sizes, *([needed] if needed else [])]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.set_xlabel(f"training speakers of {wanted['cohort']}")
        axes.set_ylabel(f"WER of {wanted['cohort']}, %")
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper right")
        grid(axes, "y")
        return svg(drawing, "Word error rate of the bottom cohort against the number of its training speakers")


def _draw_trainings(axes: Axes, sizes: np.ndarray, points: list[Row]) -> None:
    wers, lows, highs = (np.array([100 * point[name] for point in points])
                         for name in ("bottom_wer", "bottom_wer_low", "bottom_wer_high"))
    axes.errorbar(sizes, wers, yerr=[wers - lows, highs - wers], fmt="o", color=CHALLENGER, markersize=8, linewidth=2,
                  label="trained and measured")
    axes.plot(sizes, [100 * point["top_wer"] for point in points], "_", color=REFERENCE, markersize=14,
              markeredgewidth=2)


def _draw_law(axes: Axes, wanted: Row) -> None:
    speakers, gaps = np.array(wanted["gap_along"]).T
    top = np.mean([point["top_wer"] for point in wanted["points"]])
    axes.plot(speakers, 100 * top * (1 + gaps), "--", color=QUIET, linewidth=1.5, label="curve through them")


def _draw_forecast(axes: Axes, wanted: Row, now: int, limit: float) -> None:
    more = wanted["more_speakers"]
    if more["low"] is not None and more["high"] is not None:
        axes.plot([now + more["low"], now + more["high"]], [limit, limit], color=INK, linewidth=5, alpha=0.3,
                  solid_capstyle="butt")
    axes.plot(now + more["estimate"], limit, "D", color=INK, markersize=8, label="wanted")
