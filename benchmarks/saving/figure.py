"""WER against work and against time, a line for each way to save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from matplotlib.axes import Axes

from benchmarks.bakeoff.standing import Standing
from benchmarks.saving.plan import TITLES, Way
from evenvoice.report.figures.style import CHALLENGER, INK, LIMIT, QUIET, REFERENCE, figure, grid, svg
from evenvoice.saving.timing import Timed

COLOURS: Final[Mapping[Way, str]] = {"dense": INK, "amortized": CHALLENGER, "chance": LIMIT, "removed": QUIET,
                                     "narrower": "#6d28d9", "window": REFERENCE}


def saving_figure(lines: Sequence[Standing], shares: Mapping[str, float],
                  seconds: Mapping[str, Mapping[str, Timed]], ways: Mapping[str, Way]) -> str:
    """Three panels: work, time in a stream, time in batches; bars are seeds."""
    by_way = {way: [line for line in lines if ways[line.arm] == way] for way in TITLES}
    with figure(12.6, 4.2) as drawing:
        panels = drawing.subplots(1, 3, sharey=True)
        places = ({line.arm: 100 * shares[line.arm] for line in lines},
                  *({line.arm: 100 * seconds[line.arm][kind].ratio if line.arm in seconds else 100.0 for line in lines}
                    for kind in ("stream", "batches")))
        labels = ("encoder's work, % of dense", "time in a stream, % of dense", "time in batches, % of dense")
        for axes, place, label in zip(panels, places, labels, strict=True):
            for way, of_way in by_way.items():
                _line(axes, of_way, place, way)
            axes.set_xlabel(label)
            axes.set_xlim(left=0)
            grid(axes, "y")
        panels[0].set_ylabel("WER, test speakers, %")
        panels[0].set_ylim(bottom=0)
        panels[2].legend(loc="upper right")
        return svg(drawing, "Word error rate against work and time of every way to save")


def _line(axes: Axes, lines: Sequence[Standing], place: Mapping[str, float], way: Way) -> None:
    ordered = sorted(lines, key=lambda line: place[line.arm])
    for line in ordered:
        axes.plot([place[line.arm]] * 2, [100 * min(line.wers), 100 * max(line.wers)], color=COLOURS[way],
                  linewidth=1.4, alpha=0.6)
    axes.plot([place[line.arm] for line in ordered], [100 * line.mean for line in ordered], "o-", color=COLOURS[way],
              markersize=6, linewidth=1.6, label=TITLES[way])
