"""Forest plot: WER of every cohort with its interval, base model beside challenger, the whole as a reference line."""

from __future__ import annotations

from collections.abc import Mapping, Set

from matplotlib.axes import Axes

from evenvoice.metrics.publication import Row
from evenvoice.params import BASE
from evenvoice.report.contents import Contents
from evenvoice.report.figures.style import CHALLENGER, QUIET, REFERENCE, figure, grid, plain, svg

OFFSET = 0.15  # rows of the two models of one cohort, apart from its centre


def forest_figure(contents: Contents, method: str) -> str | None:
    """One row per cohort of ``method`` on test speakers, worst first; None without a cohort to show."""
    models = list(dict.fromkeys([BASE, contents.challenger]))
    rows = {model: _rows(contents, model, method) for model in models}
    cohorts = [row["cohort"] for row in sorted(rows[models[-1]], key=lambda row: row["wer"])]
    if not cohorts:
        return None
    with figure(7.6, 0.9 + 0.52 * (len(cohorts) + 1)) as drawing:
        axes = drawing.subplots()
        for order, model in enumerate(models):
            shift = OFFSET * (1 - 2 * order) if len(models) > 1 else 0.0
            colour = REFERENCE if model == BASE and len(models) > 1 else CHALLENGER
            _points(axes, rows[model], cohorts, shift, colour, contents.titles[model])
        _reference(axes, contents)
        judged = {row["cohort"] for row in contents.verdict["cohorts"] if row["method"] == method}
        aside = {row["cohort"] for of in contents.methods if of.name == method for row in of.aside} - judged
        labels = {row["cohort"]: f"{plain(row['cohort'])}  ·  {row['speakers']} speakers"
                                 f"{', not judged' if row['cohort'] in aside else ''}" for row in rows[models[-1]]}
        axes.set_yticks(range(len(cohorts)), [labels[name] for name in cohorts])
        axes.set_ylim(-0.6, len(cohorts) - 0.2)
        axes.set_xlim(0, _right(rows, aside))
        axes.set_xlabel(f"{contents.unit} error rate on test speakers, %")
        grid(axes)
        axes.spines["left"].set_visible(False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1 + 0.5 / (len(cohorts) + 1)), ncols=3)
        return svg(drawing, f"{contents.unit.capitalize()} error rate per cohort, {method}")


def _rows(contents: Contents, model: str, method: str) -> list[Row]:
    return [row for row in contents.cohort_wer if row["model"] == model and row["method"] == method
            and row["split"] == "test" and row["wer"] is not None]


def _right(rows: Mapping[str, list[Row]], aside: Set[str]) -> float | None:
    """Where the axis ends; an interval of a few speakers who are not judged may reach beyond, or it would squeeze all.

    None for wherever the bars do, where nobody is judged.
    """
    ends = [row["wer_high"] or row["wer"] for of_model in rows.values() for row in of_model
            if row["cohort"] not in aside]
    estimates = [row["wer"] for of_model in rows.values() for row in of_model]
    return 105 * max(*ends, *estimates) if ends else None


def _points(axes: Axes, rows: list[Row], cohorts: list[str], shift: float, colour: str, label: str) -> None:
    for row in rows:
        if row["cohort"] not in cohorts:
            continue
        height = cohorts.index(row["cohort"]) + shift
        if row["wer_low"] is not None:  # one speaker has no interval
            axes.plot([100 * row["wer_low"], 100 * row["wer_high"]], [height, height], color=colour, linewidth=2.2,
                      solid_capstyle="round")
        axes.plot(100 * row["wer"], height, "o", color=colour, markersize=7, label=label)
        label = ""


def _reference(axes: Axes, contents: Contents) -> None:
    whole = contents.wer(contents.challenger, "whole", "whole")
    if whole is not None and whole["wer"] is not None:
        axes.axvline(100 * whole["wer"], color=QUIET, linestyle=(0, (2, 3)), linewidth=1.2, label="everyone")
