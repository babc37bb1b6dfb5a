"""Rate ratios of one declared column, all other columns alike, base model beside challenger; 1 is the reference."""

from __future__ import annotations

from typing import Final

from matplotlib.axes import Axes

from evenvoice.metrics.publication import Row
from evenvoice.params import BASE
from evenvoice.report.contents import Contents
from evenvoice.report.figures.style import CHALLENGER, QUIET, REFERENCE, figure, grid, plain, svg

OFFSET: Final = 0.15
TICKS: Final = (0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10, 20, 50)


def ratios_figure(contents: Contents, column: Row) -> str | None:
    """One row for each group of ``column`` of the challenger's regression that has a ratio, in the column's order.

    None where no group has one, other than the reference. A ratio of 0 has no place on the scale and stands in the
    table alone.
    """
    models = list(dict.fromkeys([BASE, contents.challenger]))
    drawn = {model: _groups(contents, model, column["partition"]) for model in models}
    cohorts = [group["cohort"] for group in reversed(column["groups"]) if group["cohort"] in drawn[models[-1]]]
    if len(cohorts) < 2:
        return None
    with figure(7.6, 0.8 + 0.45 * (len(cohorts) + 1)) as drawing:
        axes = drawing.subplots()
        axes.set_xscale("log")
        axes.axvline(1, color=QUIET, linestyle=(0, (2, 3)), linewidth=1.2)
        for order, model in enumerate(models):
            shift = OFFSET * (1 - 2 * order) if len(models) > 1 else 0.0
            colour = REFERENCE if model == BASE and len(models) > 1 else CHALLENGER
            groups = [group for cohort, group in drawn[model].items() if cohort in cohorts]
            _points(axes, groups, cohorts, shift, colour, contents.titles[model])
        axes.set_yticks(range(len(cohorts)), [
            f"{plain(cohort)}{'  ·  reference' if cohort == column['reference'] else ''}" for cohort in cohorts])
        axes.set_ylim(-0.6, len(cohorts) - 0.2)
        _scale(axes, contents.unit)
        grid(axes)
        axes.spines["left"].set_visible(False)
        if len(models) > 1:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1 + 0.5 / (len(cohorts) + 1)), ncols=2)
        return svg(drawing, f"Rate ratios, {column['partition']}")


def _groups(contents: Contents, model: str, partition: str) -> dict[str, Row]:
    """What has a place on a logarithmic scale."""
    columns = contents.regression.get(model, {"columns": ()})["columns"]
    return {group["cohort"]: group for column in columns if column["partition"] == partition
            for group in column["groups"] if group["rate_ratio"]}


def _points(axes: Axes, groups: list[Row], cohorts: list[str], shift: float, colour: str, label: str) -> None:
    for group in groups:
        height = cohorts.index(group["cohort"]) + shift
        if group["rate_ratio_low"] is not None:  # the reference has no interval
            axes.plot([group["rate_ratio_low"], group["rate_ratio_high"]], [height, height], color=colour,
                      linewidth=2.2, solid_capstyle="round")
        axes.plot(group["rate_ratio"], height, "o", color=colour, markersize=7, label=label)
        label = ""


def _scale(axes: Axes, unit: str) -> None:
    """Ticks that read as factors; the scale always reaches from two thirds to one and a half."""
    low, high = axes.get_xlim()
    low, high = min(low, 0.65), max(high, 1.55)
    axes.set_xlim(low, high)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(f"errors per {unit} over those of the reference, all other columns alike")
