"""What an amortized model saves: compute against WER, and who gets the computation that is left."""

from __future__ import annotations

from collections import Counter
from typing import Final

from matplotlib.axes import Axes

from evenvoice.metrics.publication import Row
from evenvoice.params import AMORTIZED, BASE, DENSE
from evenvoice.report.contents import Contents
from evenvoice.report.figures.style import CHALLENGER, INK, REFERENCE, figure, grid, svg

COLOURS: Final = {BASE: INK, DENSE: REFERENCE, AMORTIZED: CHALLENGER}
OFFSET: Final = 0.15


def cost_figure(contents: Contents) -> str | None:
    """WER of everyone over the work per second of audio, base, dense and amortized; None without an amortized model."""
    rows = {model: contents.wer(model, "whole", "whole") for model in COLOURS if model in contents.titles}
    if AMORTIZED not in rows:
        return None
    with figure(7.6, 3.1) as drawing:
        axes = drawing.subplots()
        for model, row in rows.items():
            if row is None or row["wer"] is None:
                continue
            macs = contents.compute[model]["macs_per_audio_s"]["total"] / 1e6
            axes.plot([macs, macs], [100 * row["wer_low"], 100 * row["wer_high"]], color=COLOURS[model], linewidth=2.2,
                      solid_capstyle="round")
            axes.plot(macs, 100 * row["wer"], "o", color=COLOURS[model], markersize=8, label=contents.titles[model])
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("million multiply-accumulates per second of audio, whole model")
        axes.set_ylabel("WER, test speakers, %")
        grid(axes, "y")
        axes.legend(loc="lower left")
        return svg(drawing, "Compute against word error rate")


def shares_figure(contents: Contents) -> str | None:
    """Share of the encoder's work that each cohort gets, beside its WER with and without gates."""
    rows = [row for row in contents.saving if row["split"] == "test" and row["executed_share"] is not None]
    if not rows:
        return None
    cohorts = Counter(row["method"] for row in rows)
    rows = [row for row in reversed(rows) if cohorts[row["method"]] > 1 or row["method"] == row["cohort"]]
    with figure(7.6, 1.1 + 0.4 * len(rows)) as drawing:
        work, errors = drawing.subplots(1, 2, sharey=True)
        for height, row in enumerate(rows):
            work.barh(height, 100 * row["executed_share"], height=0.55, color=CHALLENGER)
            work.text(100 * row["executed_share"] + 1, height, f"{100 * row['executed_share']:.1f}", va="center",
                      fontsize=9.5, color=INK)
            for order, model in enumerate((DENSE, AMORTIZED)):
                _wer(errors, contents.wer(model, row["method"], row["cohort"]), height + OFFSET * (1 - 2 * order),
                     COLOURS[model], contents.titles[model] if height == 0 else "")
        work.set_yticks(range(len(rows)), [_name(row) for row in rows])
        work.set_xlim(0, 100)
        work.set_xlabel("share of the encoder's work, %")
        errors.set_xlim(left=0)
        errors.set_xlabel("word error rate, %")
        drawing.legend(loc="outside upper right", ncols=2)
        for axes in (work, errors):
            grid(axes)
            axes.spines["left"].set_visible(False)
        return svg(drawing, "Who gets the computation")


def _wer(axes: Axes, row: Row | None, height: float, colour: str, label: str) -> None:
    if row is not None and row["wer"] is not None:
        axes.plot([100 * row["wer_low"], 100 * row["wer_high"]], [height, height], color=colour, linewidth=2,
                  solid_capstyle="round")
        axes.plot(100 * row["wer"], height, "o", color=colour, markersize=6, label=label)


def _name(row: Row) -> str:
    return "everyone" if row["method"] == row["cohort"] else f"{row['cohort']}  ·  {row['method']}"
