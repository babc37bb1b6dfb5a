"""Training curves, smoothed over a tenth of the training: loss per step of the base model and of every arm.

Of arms that weigh recordings also how many of a batch still count, by its effective sample size. Controls are dashed.
"""

from __future__ import annotations

from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.typing import HashableList

from evenvoice.metrics.publication import Row
from evenvoice.params import BASE
from evenvoice.report.contents import Contents
from evenvoice.report.figures.style import CHALLENGER, REFERENCE, figure, grid, svg

LEGEND_HEIGHT = 0.5
ARM_COLOURS = ("#0f766e", "#6d5bd0", "#c2410c", "#b45309", "#9aa3b5")


def curves_figure(contents: Contents) -> str | None:
    """Two panels: the base training, and the models that start from its end; below, those that weigh recordings."""
    if BASE not in contents.curves:
        return None
    arms = dict(zip((arm for arm in contents.made_from_base if contents.curves[arm]), cycle(ARM_COLOURS), strict=False))
    weighing = {arm: colour for arm, colour in arms.items() if contents.curves[arm][0]["effective_share"] is not None}
    rows: list[HashableList[str]] = [["base", "arms"]]
    if weighing:
        rows.append(["shares", "shares"])
    with figure(7.6, 3.0 * len(rows) + LEGEND_HEIGHT * bool(arms)) as drawing:
        panels = drawing.subplot_mosaic(rows)
        steps, losses = _points(contents.curves[BASE], "loss")
        panels["base"].plot(steps, losses, color=REFERENCE, linewidth=0.8, alpha=0.6)
        panels["base"].plot(steps, _smoothed(losses), color=CHALLENGER, linewidth=2)
        panels["base"].set_title("base model")
        panels["base"].set_ylabel("training loss")
        _lines(panels["arms"], contents, arms, "loss")
        panels["arms"].set_title("models made from it")
        if weighing:
            _lines(panels["shares"], contents, weighing, "effective_share")
            panels["shares"].set_title("recordings that still count: effective sample size as a share of the batch")
        for axes in panels.values():
            axes.set_xlabel("step")
            axes.set_ylim(bottom=0)
            grid(axes, "y")
        if arms:  # one for all panels, since within them it would lie on the lines
            drawing.legend(*panels["arms"].get_legend_handles_labels(), loc="outside lower center", ncols=3,
                           fontsize=8.5)
        return svg(drawing, "Training loss per step")


def _lines(axes: Axes, contents: Contents, arms: dict[str, str], column: str) -> None:
    for arm, colour in arms.items():
        steps, values = _points(contents.curves[arm], column)
        style = "--" if arm in contents.controls else "-"
        axes.plot(steps, _smoothed(values), style, color=colour, linewidth=1.8, label=contents.titles[arm])


def _points(curve: tuple[Row, ...], column: str) -> tuple[np.ndarray, np.ndarray]:
    return np.array([row["step"] for row in curve]), np.array([row[column] for row in curve])


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Centred mean; the window shrinks at both ends, so the curve keeps its length."""
    reach = max(1, len(values) // 20)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    starts = np.maximum(np.arange(len(values)) - reach, 0)
    ends = np.minimum(np.arange(len(values)) + reach + 1, len(values))
    smoothed: np.ndarray = (sums[ends] - sums[starts]) / (ends - starts)
    return smoothed
