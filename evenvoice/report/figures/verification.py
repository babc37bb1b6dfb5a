"""Figures about verifiers: groups at one threshold, misses against false alarms, weightings, and the adversary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.axes import Axes
from scipy.special import ndtri

from evenvoice.params import UNWEIGHTED
from evenvoice.report.figures.style import CHALLENGER, INK, LIMIT, QUIET, REFERENCE, figure, grid, plain, svg

if TYPE_CHECKING:
    from evenvoice.report.verifier import VerifierContents

KINDS: Final = {"miss": "refused as themselves", "false_alarm": "taken for somebody else"}
OFFSET: Final = 0.15
TICKS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)


def groups_figure(contents: VerifierContents, partition: str) -> str | None:
    """Both kinds of errors of every group at the one threshold, unweighted beside challenger; None without groups."""
    models = list(dict.fromkeys([UNWEIGHTED, contents.challenger]))
    grouping = contents.groupings[partition]
    groups = [group for group in (*grouping["judged"], *grouping["aside"])
              if (row := contents.rate(models[-1], partition, group)) is not None and row["miss"] is not None
              and row["false_alarm"] is not None][::-1]
    if not groups:
        return None
    with figure(8.4, 0.9 + 0.52 * (len(groups) + 1)) as drawing:
        both = drawing.subplots(1, 2, sharey=True)
        for axes, (kind, title) in zip(both, KINDS.items(), strict=True):
            for order, model in enumerate(models):
                shift = OFFSET * (1 - 2 * order) if len(models) > 1 else 0.0
                colour = REFERENCE if model == UNWEIGHTED and len(models) > 1 else CHALLENGER
                _points(axes, contents, model, partition, groups, kind, shift, colour)
            _everyone(axes, contents, kind)
            axes.set_title(title, fontweight="normal")
            axes.set_xlim(left=0)
            axes.set_xlabel("% of trials")
            grid(axes)
            axes.spines["left"].set_visible(False)
        both[0].set_yticks(range(len(groups)), [_label(contents, models[-1], partition, group) for group in groups])
        both[0].set_ylim(-0.6, len(groups) - 0.2)
        return svg(drawing, f"Misses and false alarms by {partition} at one threshold")


def _label(contents: VerifierContents, model: str, partition: str, group: str) -> str:
    row = contents.rate(model, partition, group)
    assert row is not None
    judged = "" if group in contents.groupings[partition]["judged"] else ", not judged"
    return f"{plain(group)}  ·  {row['speakers']} speakers{judged}"


def _points(axes: Axes, contents: VerifierContents, model: str, partition: str, groups: list[str], kind: str,
            shift: float, colour: str) -> None:
    for height, group in enumerate(groups):
        row = contents.rate(model, partition, group)
        if row is None or row[kind] is None:
            continue
        if row[f"{kind}_low"] is not None and row[f"{kind}_high"] is not None:
            axes.plot([100 * row[f"{kind}_low"], 100 * row[f"{kind}_high"]], [height + shift] * 2, color=colour,
                      linewidth=2.2, solid_capstyle="round")
        axes.plot(100 * row[kind], height + shift, "o", color=colour, markersize=7)


def _everyone(axes: Axes, contents: VerifierContents, kind: str) -> None:
    row = contents.rate(contents.challenger)
    if row is not None and row[kind] is not None:
        axes.axvline(100 * row[kind], color=QUIET, linestyle=(0, (2, 3)), linewidth=1.2)


def detection_figure(contents: VerifierContents, titles: Mapping[str, str]) -> str | None:
    """Misses against false alarms of every verifier, both axes as normal deviates (A. Martin et al., 1997)."""
    with figure(6.4, 5.2) as drawing:
        axes = drawing.subplots()
        for name, rows in contents.detection.items():
            points = [(row["false_alarm"], row["miss"]) for row in rows
                      if 0 < row["miss"] < 1 and 0 < row["false_alarm"] < 1]
            if not points:
                continue
            x, y = (ndtri(np.array(values)) for values in zip(*points, strict=True))
            first = name in (contents.challenger, UNWEIGHTED)
            colour = CHALLENGER if name == contents.challenger else INK if name == UNWEIGHTED else REFERENCE
            axes.plot(x, y, color=colour, linewidth=2.0 if first else 1.0, alpha=1 if first else 0.6,
                      label=titles[name])
        limits = ndtri([TICKS[0], TICKS[-1]])
        axes.plot(limits, limits, color=QUIET, linewidth=0.8, linestyle=(0, (2, 3)))
        for axis, limit in (("x", axes.set_xlim), ("y", axes.set_ylim)):
            limit(*limits)
            getattr(axes, f"set_{axis}ticks")(ndtri(TICKS), [f"{100 * tick:g}" for tick in TICKS])
        axes.set_xlabel("false alarms, % of different-speaker trials")
        axes.set_ylabel("misses, % of same-speaker trials")
        grid(axes, "y")
        grid(axes, "x")
        axes.legend(loc="upper right")
        return svg(drawing, "Misses against false alarms of every verifier")


def weightings_figure(contents: VerifierContents, titles: Mapping[str, str]) -> str | None:
    """Change of the equal error rate of everybody against the unweighted verifier, with intervals."""
    rows = [(name, row) for name in contents.detection
            if name != UNWEIGHTED and (row := contents.rate(name)) is not None and row["relative"] is not None][::-1]
    if not rows:
        return None
    with figure(7.6, 1.0 + 0.42 * len(rows)) as drawing:
        axes = drawing.subplots()
        axes.axvline(0, color=QUIET, linewidth=1.0)
        for height, (name, row) in enumerate(rows):
            colour = REFERENCE if name in contents.controls else CHALLENGER
            axes.plot([100 * row["relative_low"], 100 * row["relative_high"]], [height] * 2, color=colour,
                      linewidth=2.2, solid_capstyle="round")
            axes.plot(100 * row["relative"], height, "o", color=colour, markersize=7)
        axes.set_yticks(range(len(rows)), [f"{titles[name]}{' (control)' if name in contents.controls else ''}"
                                           for name, _ in rows])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlabel("change of the equal error rate of everyone, %")
        grid(axes)
        axes.spines["left"].set_visible(False)
        return svg(drawing, "Change of the equal error rate by weighting")


def game_figure(contents: VerifierContents, titles: Mapping[str, str]) -> str | None:
    """Whether weights rise where losses are, and how many speakers still count; None without an adversary."""
    played = [name for name, rows in contents.weighing.items() if rows]
    if not played:
        return None
    with figure(8.4, 3.7) as drawing:
        scatter, curve = drawing.subplots(1, 2)
        for name in played:
            rows = contents.weighing[name]
            late = [row for row in rows if row["epoch"] > max(one["epoch"] for one in rows) / 2]
            x, y = _within_epochs(late)
            colour = REFERENCE if name in contents.controls else CHALLENGER
            marker = "o" if name == played[-1] else "^"
            scatter.plot(x, y, marker, color=colour, markersize=4, alpha=0.7, label=titles[name])
            steps = [row["step"] for row in contents.curves[name]]
            shares = _smoothed([row["effective_share"] or np.nan for row in contents.curves[name]])
            curve.plot(steps, shares, color=colour, linewidth=1.6, linestyle="-" if name == played[-1] else "--",
                       label=titles[name])
        scatter.axhline(1, color=QUIET, linewidth=0.8)
        scatter.set_xlabel("loss of a cluster of voices, over the epoch's mean")
        scatter.set_ylabel("weight")
        curve.set_ylim(0, 1.05)
        curve.axhline(0.5, color=LIMIT, linewidth=0.8, linestyle=(0, (2, 3)))
        curve.set_xlabel("step")
        curve.set_ylabel("effective share of a batch")
        for axes in (scatter, curve):
            grid(axes, "y")
        drawing.legend(*scatter.get_legend_handles_labels(), loc="outside upper left", ncols=len(played))
        return svg(drawing, "Weights of the adversary against losses, and the effective share of a batch")


def _within_epochs(rows: list[Any]) -> tuple[list[float], list[float]]:
    means = {epoch: float(np.mean([row["loss"] for row in rows if row["epoch"] == epoch]))
             for epoch in {row["epoch"] for row in rows}}
    return ([row["loss"] / means[row["epoch"]] if means[row["epoch"]] else 1.0 for row in rows],
            [row["weight"] for row in rows])


def _smoothed(values: list[float], width: int = 15) -> np.ndarray[Any, np.dtype[np.float64]]:
    padded = np.pad(np.array(values, dtype=np.float64), (width // 2, width - 1 - width // 2), mode="edge")
    smooth: np.ndarray[Any, np.dtype[np.float64]] = np.convolve(padded, np.ones(width) / width, mode="valid")
    return smooth
