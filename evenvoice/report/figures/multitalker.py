"""Figures about several talkers: errors and cut off turns by group, ends of turns, and the training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine
from scipy.ndimage import uniform_filter1d

from evenvoice.metrics.publication import Row
from evenvoice.report.figures.style import CHALLENGER, INK, LIMIT, QUIET, REFERENCE, figure, grid, plain, svg

if TYPE_CHECKING:
    from evenvoice.report.multitalker import MultitalkerContents

PANELS: Final = {"wer": ("word error rate", "% of words"), "cut": ("turns that are cut off", "% of turns")}
SMOOTHED: Final = 10
"""Parts of a training that its curve is a mean over."""


def groups_figure(contents: MultitalkerContents, partition: str) -> str | None:
    """Word errors and cut off turns of every group; None without groups."""
    groups = contents.groups(partition)[::-1]
    if not groups:
        return None
    with figure(8.4, 1.1 + 0.42 * (len(groups) + 0.4)) as drawing:
        both = drawing.subplots(1, 2, sharey=True)
        for axes, (kind, (title, unit)) in zip(both, PANELS.items(), strict=True):
            for height, group in enumerate(groups):
                _point(axes, contents.rate(contents.challenger, partition, group), kind, height)
            _lines(axes, contents, kind)
            axes.set_title(title, fontweight="normal")
            axes.set_xlim(left=0)
            axes.set_xlabel(unit)
            grid(axes)
            axes.spines["left"].set_visible(False)
        both[0].set_yticks(range(len(groups)), [_label(contents, partition, group) for group in groups])
        both[0].set_ylim(-0.6, len(groups) - 0.4)
        cast(ConstrainedLayoutEngine, drawing.get_layout_engine()).set(wspace=0.06)
        return svg(drawing, f"Word error rate and turns cut off by {partition}")


def _label(contents: MultitalkerContents, partition: str, group: str) -> str:
    row = contents.rate(contents.challenger, partition, group)
    assert row is not None
    judged = "" if group in contents.groupings[partition]["judged"] else ", not judged"
    return f"{plain(group)}  ·  {row['speakers']} speakers{judged}"


def _point(axes: Axes, row: Row | None, kind: str, height: int) -> None:
    if row is None or row[kind] is None:
        return
    if row[f"{kind}_low"] is not None and row[f"{kind}_high"] is not None:
        axes.plot([100 * row[f"{kind}_low"], 100 * row[f"{kind}_high"]], [height] * 2, color=CHALLENGER, linewidth=2.2,
                  solid_capstyle="round")
    axes.plot(100 * row[kind], height, "o", color=CHALLENGER, markersize=7)


def _lines(axes: Axes, contents: MultitalkerContents, kind: str) -> None:
    """Everyone; and the limit, where it is the same for all."""
    row = contents.rate(contents.challenger)
    if row is not None and row[kind] is not None:
        axes.axvline(100 * row[kind], color=QUIET, linestyle=(0, (2, 3)), linewidth=1.2)
    if kind == "cut":
        axes.axvline(100 * contents.verdict["limits"]["max_cut"], color=LIMIT, linewidth=1.2)


def endpointing_figure(contents: MultitalkerContents) -> str | None:
    """How late ends are told against how many turns are cut off; None where no end was told."""
    detector, model = ([row for row in contents.endpointing if row["kind"] == kind and row["eot_p50_s"] is not None]
                       for kind in ("vad", "model"))
    if not detector and not model:
        return None
    with figure(7.6, 4.0) as drawing:
        axes = drawing.subplots()
        axes.plot([row["eot_p50_s"] for row in detector], [100 * row["cut"] for row in detector], "o-",
                  color=REFERENCE, linewidth=1.6, markersize=6, label="energy detector, by the silence it waits for")
        for row in detector:
            axes.annotate(f"{row['hangover_s']:g} s", (row["eot_p50_s"], 100 * row["cut"]), xytext=(7, 5),
                          textcoords="offset points", fontsize=9, color=INK)
        axes.plot([row["eot_p50_s"] for row in model], [100 * row["cut"] for row in model], "D", color=CHALLENGER,
                  markersize=9, label="the recogniser")
        axes.margins(x=0.08, y=0.1)
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
        axes.set_xlabel("median time from the end of a turn until it is told, seconds")
        axes.set_ylabel("turns cut off, %")
        axes.legend(loc="upper right")
        for axis in ("x", "y"):
            grid(axes, axis)
        return svg(drawing, "Turns cut off against the time until an end is told")


def training_figure(contents: MultitalkerContents) -> str | None:
    """Loss by step, and its mean over a tenth of the training; None without steps."""
    if not contents.curve:
        return None
    steps, losses = (np.array([row[name] for row in contents.curve], dtype=np.float64) for name in ("step", "loss"))
    with figure(7.6, 2.8) as drawing:
        axes = drawing.subplots()
        axes.plot(steps, losses, color=REFERENCE, linewidth=0.8, alpha=0.6)
        axes.plot(steps, uniform_filter1d(losses, max(1, len(losses) // SMOOTHED), mode="nearest"), color=CHALLENGER,
                  linewidth=2)
        axes.set_xlabel("step")
        axes.set_ylabel("training loss")
        axes.set_ylim(bottom=min(0.0, float(losses.min())))
        grid(axes, "y")
        return svg(drawing, "Training loss per step")
