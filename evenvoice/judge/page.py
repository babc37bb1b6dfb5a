"""A judgement as a page, as Markdown for a pull request, and as JSON; small cohorts are hidden in all three."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from evenvoice.gates import Verdict
from evenvoice.judge.settings import Judging
from evenvoice.judge.verdicts import Inputs, Judged
from evenvoice.metrics.partitions import Partition
from evenvoice.metrics.publication import (
    Hidden,
    hidden_cohorts,
    is_hidden,
    published_line,
    published_regression,
    published_verdict,
)
from evenvoice.params import BASE
from evenvoice.report.arrivals import arrivals
from evenvoice.report.contents import Contents, Method, contradicted
from evenvoice.report.figures import gaps_figure, regions_figure
from evenvoice.report.page import cohort_figures, percent, ratio_figures, template

SCHEMA_VERSION: Final = 1
"""Of docs/verdict.schema.json: another one when a field goes, or comes to mean something else."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a judgement is told as.

    Attributes:
        recordings: how many there were.
        notes: what else a reader has to know, a sentence each.
    """

    judged: Judged
    settings: Judging
    inputs: Inputs
    recordings: int
    notes: tuple[str, ...]

    @property
    def hidden(self) -> Hidden:
        """Cohorts too small to be shown."""
        return hidden_cohorts(self.judged.compared.cohort_wer, self.settings.report.min_speakers)

    @property
    def titles(self) -> dict[str, str]:
        """Recogniser -> its name for people, the base first."""
        first, *others = self.judged.systems
        return {BASE: first, **{name: name for name in others}}

    @property
    def rate(self) -> str:
        """What is taken over the units that were said."""
        return "WER" if self.inputs.unit == "word" else "CER"

    def verdict(self, system: str) -> dict[str, Any]:
        """What may be published of one."""
        return published_verdict(self.judged.verdicts[system].to_json(), self.hidden)

    @property
    def regression(self) -> dict[str, dict[str, Any]]:
        """What may be published of the regressions on declared groups, by models of the tables; empty without any."""
        return {model: published_regression(found, self.hidden) for model, found in self.judged.regression.items()}

    def contradictions(self, system: str) -> tuple[str, ...]:
        """Where that of a recogniser contradicts the verdict on it; none where it is only compared with."""
        judged = self.judged.verdicts.get(system)
        return () if judged is None else contradicted(self.judged.regression.get(judged.challenger), judged.to_json(),
                                                      self.hidden)


def verdict_json(told: Told) -> dict[str, Any]:
    """All of verdict.json: the worst outcome, and the verdict on each recogniser."""
    return {"schema_version": SCHEMA_VERSION, "verdict": told.judged.outcome, "systems": list(told.judged.systems),
            "drawn_apart": told.judged.cohorts.apart, "recordings": told.recordings,
            "depends_on_spelling": told.judged.depends_on_spelling,
            "under": {way: {system: verdict.verdict for system, verdict in verdicts.items()}
                      for way, verdicts in told.judged.under.items()},
            "notes": list(told.notes), "inputs": told.inputs.to_json(),
            "verdicts": {system: told.verdict(system) for system in told.judged.verdicts},
            "regression": {system: {**told.regression[model], "contradictions": list(told.contradictions(system))}
                           for model, system in told.titles.items() if model in told.regression}}


def render_judged(told: Told, system: str, pages: Mapping[str, str]) -> str:
    """One HTML file about one recogniser, which needs no network.

    Args:
        pages: recogniser -> where the page about it lies, for those that have one of their own.
    """
    contents = _contents(told, system)
    figures = {"regions": regions_figure(contents), "gaps": gaps_figure(contents), "equal_counts": None,
               "forest": cohort_figures(contents), "ratios": ratio_figures(contents)}
    whole = {row["model"]: row for row in told.judged.compared.cohort_wer if row["method"] == "whole"}
    changes = {row["arm"]: row for row in told.judged.compared.comparisons if row["method"] == "whole"}
    named = dict(zip(told.titles, told.judged.systems, strict=True))
    systems = [{"title": title, "wer": whole[model], "change": changes.get(model),
                "verdict": told.judged.verdicts[named[model]].verdict if named[model] in told.judged.verdicts else None,
                "page": pages.get(named[model]) if named[model] != system else None}
               for model, title in told.titles.items()]
    return template("judged.html.j2", escape=True).render(
        contents=contents, figures=figures, systems=systems, arrivals=arrivals(contents.corpus, contents.minimum),
        who=who_is_judged(told.judged), ranked_by=_ranked_by(told), rate=told.rate, units=f"{told.inputs.unit}s",
        speakers=len(told.judged.cohorts.tested), recordings=told.recordings,
        normaliser=told.inputs.normaliser, notes=told.notes, seed=told.settings.seed,
        spellings=[_spelling(way, verdicts[system], told.hidden) for way, verdicts in
                   {told.inputs.normaliser: told.judged.verdicts, **told.judged.under}.items()])


def _ranked_by(told: Told) -> str:
    """What the base's rates are called that cohorts were ranked by."""
    return f"discovery {told.rate}" if told.judged.cohorts.apart else f"{told.rate}, {told.judged.systems[0]}"


def who_is_judged(judged: Judged) -> str:
    """Which rule held for speakers, for people."""
    if judged.cohorts.apart:
        return ("Speakers who are judged had no part in finding or ranking cohorts: those were found on others, with "
                f"{judged.systems[0]}, and frozen.")
    return "All speakers are judged: their groups are declared, so nothing had to be found on others."


def summary_markdown(told: Told) -> str:
    """A few lines for a pull request."""
    lines = [f"### {told.judged.outcome}: equal service of {', '.join(told.judged.verdicts)}", ""]
    for system, verdict in told.judged.verdicts.items():
        published = told.verdict(system)
        lines += [f"**{system}: {verdict.verdict}**, {told.rate} {percent(verdict.whole.wer)} of "
                  f"{verdict.whole.speakers} speakers", "", *(f"- {reason}" for reason in published["reasons"]), "",
                  f"| group | by | speakers | {told.rate} | gap | decision |", "| --- " * 6 + "|",
                  *(f"| {row['cohort']} | {row['method']} | {row['speakers']} | {percent(row['wer'])} "
                    f"| {percent(row['gap'], 0)} | {row['decision']} |" for row in published["cohorts"]), ""]
    return "\n".join([*lines, *told.notes]).rstrip() + "\n"


def _spelling(way: str, verdict: Verdict, hidden: Hidden) -> dict[str, Any]:
    cohorts = published_verdict(verdict.to_json(), hidden)["cohorts"]
    gaps = [row["gap"] for row in cohorts if row["gap"] is not None]
    return {"name": way, "wer": verdict.whole.wer, "gap": max(gaps, default=None), "verdict": verdict.verdict}


def _contents(told: Told, system: str) -> Contents:
    """As the report of a run is, with nothing of trainings, of which nothing is known."""
    hidden, compared = told.hidden, told.judged.compared
    return Contents(
        verdict=told.verdict(system),
        corpus={"labelled": "recorded", "unit": told.inputs.unit,
                "attributes": {"kept_as_written": told.judged.cohorts.kept}},
        methods=tuple(_method(told, partition, hidden) for partition in told.judged.cohorts.partitions),
        declared=told.judged.cohorts.declared,
        cohort_wer=tuple(row for row in compared.cohort_wer if not is_hidden(row["method"], row["cohort"], hidden)),
        gaps=tuple(row for row in compared.gaps
                   if not {row["bottom"], row["top"]} & hidden.get(row["method"], frozenset())),
        equal_counts=(), comparisons=tuple(row for row in compared.comparisons
                                           if not is_hidden(row["method"], row["cohort"], hidden)),
        variances=(), saving=(), saved={}, selection={"candidates": ()}, regression=told.regression,
        contradictions=told.contradictions(system), titles=told.titles, curves={}, training={},
        compute={}, rejected_by_rule=(), hidden=hidden, minimum=told.settings.report.min_speakers,
        inputs=dict(told.inputs.files))


def _method(told: Told, partition: Partition, hidden: Hidden) -> Method:
    content = partition.to_json()
    shown = {part: tuple(row for row in content[part] if not is_hidden(partition.method, row["cohort"], hidden))
             for part in ("cohorts", "aside")}
    return Method(name=partition.method, title=told.judged.cohorts.titles[partition.method],
                  applicable=partition.applicable, reason=published_line(partition.reason, hidden),
                  cohorts=shown["cohorts"], aside=shown["aside"],
                  extra=dict(told.judged.cohorts.extra[partition.method]))
