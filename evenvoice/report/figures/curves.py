"""Training curves: loss per step, smoothed over a tenth of the training, of the base model and of every arm."""

from __future__ import annotations

from itertools import cycle

import numpy as np

from evenvoice.metrics.publication import Row
from evenvoice.params import BASE
from evenvoice.report.contents import Contents
from evenvoice.report.figures.style import CHALLENGER, REFERENCE, figure, grid, svg

ARM_COLOURS = ("#0f766e", "#6d5bd0", "#c2410c", "#b45309", "#9aa3b5")


def curves_figure(contents: Contents) -> str | None:
    """Two panels: the base training, and the arms that start from its end."""
    if BASE not in contents.curves:
        return None
    with figure(7.6, 3.0) as drawing:
        left, right = drawing.subplots(1, 2)
        steps, losses = _points(contents.curves[BASE])
        left.plot(steps, losses, color=REFERENCE, linewidth=0.8, alpha=0.6)
        left.plot(steps, _smoothed(losses), color=CHALLENGER, linewidth=2)
        left.set_title("base model")
        arms = [arm for arm in contents.arms if contents.curves[arm]]
        for arm, colour in zip(arms, cycle(ARM_COLOURS), strict=False):
            steps, losses = _points(contents.curves[arm])
            right.plot(steps, _smoothed(losses), color=colour, linewidth=1.8, label=contents.titles[arm])
        right.set_title("mitigation arms")
        if arms:
            right.legend(fontsize=8.5)
        for axes in (left, right):
            axes.set_xlabel("step")
            axes.set_ylim(bottom=0)
            grid(axes, "y")
        left.set_ylabel("training loss")
        return svg(drawing, "Training loss per step")


def _points(curve: tuple[Row, ...]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([row["step"] for row in curve]), np.array([row["loss"] for row in curve])


def _smoothed(losses: np.ndarray) -> np.ndarray:
    """Centred mean; the window shrinks at both ends, so the curve keeps its length."""
    reach = max(1, len(losses) // 20)
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    starts = np.maximum(np.arange(len(losses)) - reach, 0)
    ends = np.minimum(np.arange(len(losses)) + reach + 1, len(losses))
    smoothed: np.ndarray = (sums[ends] - sums[starts]) / (ends - starts)
    return smoothed
