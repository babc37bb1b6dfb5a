"""Every mitigation arm and its placebo: relative change of WER on the bottom cohort, the top cohort and everyone."""

from __future__ import annotations

from matplotlib.axes import Axes

from evenvoice.metrics.publication import Row
from evenvoice.params import BASE
from evenvoice.report.contents import Contents
from evenvoice.report.figures.style import CHALLENGER, INK, LIMIT, REFERENCE, figure, grid, svg


def arms_figure(contents: Contents) -> str | None:
    """Paired differences to the base model on test speakers, one panel per scope; None without comparisons."""
    scopes = _scopes(contents)
    arms = [arm for arm in contents.arms if any(row["arm"] == arm for row in contents.comparisons)]
    if not scopes or not arms:
        return None
    with figure(7.6, 1.1 + 0.42 * len(arms)) as drawing:
        panels = drawing.subplots(1, len(scopes), sharey=True, squeeze=False)[0]
        for axes, (title, method, cohort) in zip(panels, scopes, strict=True):
            _panel(axes, title, [_row(contents, arm, method, cohort) for arm in arms], contents.controls)
        panels[0].set_yticks(range(len(arms)), [contents.titles[arm] for arm in arms])
        panels[0].invert_yaxis()
        drawing.supxlabel("change of WER against the base model, %; left of zero is better", fontsize=10.5)
        return svg(drawing, "Change of word error rate by every mitigation arm")


def _scopes(contents: Contents) -> list[tuple[str, str, str]]:
    target = contents.mitigated
    everyone = ("everyone", "whole", "whole")
    if (gap := contents.gap(BASE, target)) is None:
        return [everyone]
    return [(f"bottom: {gap['bottom']}", target, gap["bottom"]), (f"top: {gap['top']}", target, gap["top"]), everyone]


def _row(contents: Contents, arm: str, method: str, cohort: str) -> Row | None:
    wanted = (arm, "test", method, cohort)
    return next((row for row in contents.comparisons
                 if (row["arm"], row["split"], row["method"], row["cohort"]) == wanted), None)


def _panel(axes: Axes, title: str, rows: list[Row | None], controls: frozenset[str]) -> None:
    axes.axvline(0, color=INK, linewidth=1)
    for height, row in enumerate(rows):
        if row is None or row["relative"] is None:
            continue
        colour = REFERENCE if row["arm"] in controls else CHALLENGER if row["relative"] <= 0 else LIMIT
        axes.plot([100 * row["relative_low"], 100 * row["relative_high"]], [height, height], color=colour,
                  linewidth=2.2, solid_capstyle="round")
        axes.plot(100 * row["relative"], height, "o", color=colour, markersize=7)
    axes.set_title(title)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    grid(axes)
    axes.spines["left"].set_visible(False)
