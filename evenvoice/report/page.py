"""From contents to text: the HTML page and the model card, both from templates."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

import jinja2

from evenvoice.params import Ingest, Report
from evenvoice.report.arrivals import arrivals
from evenvoice.report.claims import claims
from evenvoice.report.contents import Contents
from evenvoice.report.figures import (
    arms_figure,
    cost_figure,
    crossed_figure,
    curves_figure,
    equal_counts_figure,
    forest_figure,
    gaps_figure,
    learning_figure,
    ratios_figure,
    regions_figure,
    shares_figure,
)
from evenvoice.report.planted import planted

WHO: Final = ("Test speakers, who took part in nothing else. Cohorts were found on discovery speakers with the base "
              "model and frozen.")


def render_page(contents: Contents, *, ingest: Ingest, report: Report, seed: int) -> str:
    """The report as one HTML file without scripts, fonts, images or links that would need a network."""
    figures = {
        "regions": regions_figure(contents),
        "gaps": gaps_figure(contents),
        "equal_counts": equal_counts_figure(contents),
        "arms": arms_figure(contents),
        "curves": curves_figure(contents),
        "cost": cost_figure(contents),
        "shares": shares_figure(contents),
        "learning": learning_figure(contents.verdict["wanted"]),
        "bakeoff": _asset("bakeoff.svg"),
        "forest": cohort_figures(contents),
        "ratios": ratio_figures(contents),
    }
    return template("page.html.j2", escape=True).render(
        contents=contents, figures=figures, claims=claims(contents), who=WHO, ranked_by=f"discovery {contents.rate}",
        arrivals=arrivals(contents.corpus, contents.minimum), planted=planted(contents.corpus, contents.minimum),
        ingest=ingest, report=report, seed=seed)


def render_model_card(contents: Contents, *, ingest: Ingest, seed: int) -> str:
    """The model card as Markdown."""
    return template("model_card.md.j2", escape=False).render(
        contents=contents, planted=planted(contents.corpus, contents.minimum), ingest=ingest, seed=seed)


def _asset(name: str) -> str:
    return files("evenvoice.report").joinpath(f"assets/{name}").read_text(encoding="utf-8")


def cohort_figures(contents: Contents) -> dict[str, str | None]:
    """WER of every cohort, a figure for each partition."""
    return {method.name: crossed_figure(contents, method) if len(method.columns) > 1
            else forest_figure(contents, method.name) for method in contents.methods}


def ratio_figures(contents: Contents) -> dict[str, str | None]:
    """Rate ratios of the regression, a figure for each column."""
    columns = contents.regression.get(contents.challenger, {"columns": ()})["columns"]
    return {column["partition"]: ratios_figure(contents, column) for column in columns}


def template(name: str, *, escape: bool) -> jinja2.Template:
    """A template of this package, with the filters below."""
    environment = jinja2.Environment(loader=jinja2.PackageLoader("evenvoice.report"), undefined=jinja2.StrictUndefined,
                                     autoescape=escape, trim_blocks=True, lstrip_blocks=True)  # noqa: S701  Markdown
    environment.filters.update(percent=percent, interval=interval, change=change, reach=reach, bounds=bounds,
                               count=count, big=big, settings=settings, p_value=p_value)
    return environment.get_template(name)


def percent(value: Any, decimals: int = 1) -> str:
    """0.1234 -> "12.3 %"; None -> an en dash."""
    return "–" if value is None else f"{100 * value:.{decimals}f} %"


def interval(row: Any, name: str) -> str:
    """The interval of a figure in a row: "10.1 – 14.2 %"; empty when it has none."""
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return "" if low is None or high is None else f"{100 * low:.1f} – {100 * high:.1f} %"


def change(row: Any) -> str:
    """The relative change of a row of comparisons or variances: "-14.2 %"; None -> an en dash."""
    return "–" if row is None or row["relative"] is None else f"{100 * row['relative']:+.1f} %"


def reach(row: Any) -> str:
    """The interval of that change: "-20.1 to -8.3 %"; empty when it has none."""
    known = row is not None and row["relative_low"] is not None
    return f"{100 * row['relative_low']:+.1f} to {100 * row['relative_high']:+.1f} %" if known else ""


def bounds(row: Any, name: str) -> str:
    """The gate's bounds of a figure in a row: "at least 10.1 %, at most 14.2 %"; empty when it has none."""
    low, high = row[f"{name}_at_least"], row[f"{name}_at_most"]
    return "" if low is None or high is None else f"at least {percent(low)}, at most {percent(high)}"


def p_value(value: Any) -> str:
    """0.0312 -> "0.031"; smaller ones than 0.001 -> "< 0.001"; None -> an en dash."""
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def settings(trial: Mapping[str, Any]) -> str:
    """How a trial differs from others of its arm: "factor 4, learning rate 0.0005, steps 100"."""
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in trial.items()
                     if name != "kept" and not name.startswith("validate_"))


def count(value: float) -> str:
    """12345 -> "12 345"."""
    return f"{value:,.0f}".replace(",", " ")


def big(value: float) -> str:
    """41234567 -> "41.2 M"."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.1f} {letter}"
    return f"{value:.0f}"
