"""Bottom cohort against everyone, one panel per corpus: a line per arm over its setting, controls grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

from matplotlib.axes import Axes

from benchmarks.pareto.changes import Standing
from evenvoice.report.figures.style import CHALLENGER, INK, LIMIT, QUIET, REFERENCE, figure, grid, svg

COLOURS: Final = (LIMIT, "#6d5bd0", CHALLENGER, "#b45309", INK)
MARKERS: Final = ("o", "s", "D", "^", "v", "P", "X")


def pareto_figure(corpora: Mapping[str, Sequence[Standing]], note: str) -> str:
    """Draw the curves as SVG.

    Args:
        corpora: title of a panel -> its table.
        note: what was measured, below the panels.
    """
    with figure(6.2 * len(corpora) + 1.6, 5.0) as drawing:
        panels = drawing.subplots(1, len(corpora), squeeze=False)[0]
        for axes, (title, lines) in zip(panels, corpora.items(), strict=True):
            arms = [list(of_arm) for _, of_arm in groupby(lines, key=lambda line: line.point.arm)]
            # curves take their colours first, so that no two of them look alike
            for number, arm in enumerate(sorted(arms, key=lambda of_arm: len(of_arm) == 1)):
                _curve(axes, arm, COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)])
            axes.axhline(0, color=QUIET, linewidth=0.9)
            axes.axvline(0, color=QUIET, linewidth=0.9)
            axes.set_title(title)
            axes.set_xlabel("change of the bottom cohort's WER, %")
            axes.set_ylabel("change of everyone's WER, %; lower left is better")
            grid(axes, "x")
            grid(axes, "y")
        handles, names = panels[0].get_legend_handles_labels()
        drawing.legend(handles, names, loc="outside right upper", fontsize=9)
        drawing.supxlabel(note, fontsize=9, color=QUIET)
        return svg(drawing, "Change of word error rate of the bottom cohort and of everyone, by mitigation arm")


def _curve(axes: Axes, lines: Sequence[Standing], colour: str, marker: str) -> None:
    """One arm; what is on the Pareto front has its intervals as a faint cross."""
    control = lines[0].point.control
    shade = REFERENCE if control else colour
    bottoms, wholes = ([100 * change.estimate for change in changes]
                       for changes in ([line.bottom for line in lines], [line.whole for line in lines]))
    axes.plot(bottoms, wholes, marker=marker, color=shade, linewidth=1.6, markersize=6, label=lines[0].point.arm,
              zorder=2 if control else 3, markerfacecolor="none" if control else shade)
    for line, x, y in zip(lines, bottoms, wholes, strict=True):
        if line.front:
            axes.plot([100 * line.bottom.low, 100 * line.bottom.high], [y, y], color=shade, alpha=0.3, linewidth=1)
            axes.plot([x, x], [100 * line.whole.low, 100 * line.whole.high], color=shade, alpha=0.3, linewidth=1)
    if len(lines) > 1:
        for line, x, y in list(zip(lines, bottoms, wholes, strict=True))[::len(lines) - 1]:
            axes.annotate(f"{line.point.value:g}", (x, y), xytext=(4, 5), textcoords="offset points", fontsize=8,
                          color=shade)
