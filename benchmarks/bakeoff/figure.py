"""WER against multiply-accumulates, one panel per corpus: a dot per seed, a bar for the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from benchmarks.bakeoff.standing import Standing
from evenvoice.report.figures.style import CHALLENGER, FAINT, INK, QUIET, figure, grid, svg

TICKS: Final = (0.1, 0.2, 0.5, 1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100)
LEAST: Final = 0.1
"""Percent; below, nothing is told apart, and a logarithm knows no zero."""


def bakeoff_figure(corpora: Mapping[str, Sequence[Standing]], note: str) -> str:
    """Draw the bake-off as SVG.

    Args:
        corpora: title of a panel -> its lines.
        note: what was held equal, below the panels.
    """
    with figure(5.2 * len(corpora), 4.4) as drawing:
        panels = drawing.subplots(1, len(corpora), squeeze=False)[0]
        for axes, (title, lines) in zip(panels, corpora.items(), strict=True):
            for line in lines:
                macs, colour = line.macs / 1e6, CHALLENGER if line is lines[0] else INK
                axes.plot([macs] * len(line.wers), [_percent(wer) for wer in line.wers], "o", color=QUIET, markersize=4,
                          alpha=0.7, markeredgewidth=0)
                axes.plot(macs, _percent(line.mean), "_", color=colour, markersize=16, markeredgewidth=2.5)
            _label(axes, lines)
            axes.set_title(title)
            axes.set_xlabel("million MACs per second of audio")
            axes.set_ylabel("WER, %")
            axes.set_yscale("log")  # an encoder that has not learned yet would press all others together
            low, high = axes.get_ylim()
            axes.yaxis.set_major_formatter(FuncFormatter(lambda percent, _: f"{percent:g}"))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.set_yticks([tick for tick in TICKS if low <= tick <= high])
            least, most = min(line.macs for line in lines) / 1e6, max(line.macs for line in lines) / 1e6
            axes.set_xlim(0.9 * least, 1.25 * most)  # room for names; equal sizes stay side by side
            grid(axes, "y")
        drawing.supxlabel(note, fontsize=9, color=QUIET)
        return svg(drawing, "WER against multiply-accumulates of each encoder")


def _label(axes: Axes, lines: Sequence[Standing]) -> None:
    """Names to the right of all means, pushed apart where they would cover one another."""
    every = [_percent(wer) for line in lines for wer in line.wers]
    room = max(max(every) / min(every), 2.0) ** 0.055
    beside, below = 1.04 * max(line.macs for line in lines) / 1e6, 0.0
    for line in sorted(lines, key=lambda one: one.mean):
        colour = CHALLENGER if line is lines[0] else INK
        mean = _percent(line.mean)
        below = max(mean, below * room)
        axes.annotate(line.arm, (line.macs / 1e6, mean), xytext=(beside, below), va="center", fontsize=9,
                      color=colour, arrowprops={"arrowstyle": "-", "color": FAINT, "shrinkB": 9})


def _percent(share: float) -> float:
    return max(LEAST, 100 * share)
