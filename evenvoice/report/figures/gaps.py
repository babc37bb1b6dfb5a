"""Gap against share: how far each discovery method pulls cohorts apart, beside what random partitions give."""

from __future__ import annotations

from evenvoice.params import BASE
from evenvoice.report.contents import Contents
from evenvoice.report.figures.style import CHALLENGER, INK, QUIET, figure, grid, svg


def gaps_figure(contents: Contents) -> str | None:
    """Spread between best and worst cohort, base model, test speakers; bars reach to the null's 95th percentile."""
    shown = [(method, row) for method in contents.methods
             if (row := contents.gap(BASE, method.name)) is not None and row["spread"] is not None]
    if not shown:
        return None
    with figure(7.6, 3.6) as drawing:
        axes = drawing.subplots()
        for method, row in shown:
            share = 100 * row["bottom_share"]
            if row["null_spread_high"] is not None:
                axes.plot([share, share], [0, 100 * row["null_spread_high"]], color=QUIET, linewidth=9, alpha=0.28,
                          solid_capstyle="butt")
                axes.plot(share, 100 * row["null_spread"], "_", color=QUIET, markersize=15, markeredgewidth=2)
            axes.plot(share, 100 * row["spread"], "o", color=CHALLENGER, markersize=9)
            axes.annotate(f"{method.title}\n{row['cohorts']} cohorts", (share, 100 * row["spread"]), xytext=(11, 0),
                          textcoords="offset points", va="center", color=INK, fontsize=9.5)
        axes.set_xlabel("share of test speakers in the bottom cohort, %")
        axes.set_ylabel("(worst - best) / best, %")
        axes.set_ylim(0, 1.35 * max(100 * max(row["spread"], row["null_spread_high"] or 0) for _, row in shown) + 1)
        axes.set_xlim(0, max(100 * row["bottom_share"] for _, row in shown) * 1.6 + 4)
        axes.plot([], [], "o", color=CHALLENGER, label="found")
        axes.plot([], [], color=QUIET, linewidth=9, alpha=0.28, label="chance: mean and 95th percentile")
        axes.legend(loc="upper right")
        grid(axes, "y")
        return svg(drawing, "Gap against share of the bottom cohort for each discovery method")
