"""Everything the report shows, read from the files of earlier stages, with small cohorts already hidden."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evenvoice.data.schemas import COHORT_WER, COMPARISONS, CURVE, EQUAL_COUNTS, GAPS, REJECTED, SAVING, VARIANCES
from evenvoice.data.tables import read_table
from evenvoice.metrics.contradictions import contradictions
from evenvoice.metrics.partitions import DESCRIPTION, columns_of, partition_folder, partitions_of
from evenvoice.metrics.publication import (
    REGRESSION,
    Hidden,
    Row,
    hidden_cohorts,
    is_hidden,
    published_line,
    published_regression,
    published_verdict,
)
from evenvoice.origins import ORIGINS, SUMMARY, Origins, collect, demand_same
from evenvoice.params import ARMS, BASE, METHODS
from evenvoice.storage import read_json, sha256

SHOWN_REJECTIONS = 20


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the report's inputs lie."""

    corpus: Path
    evaluation: Path
    verdict: Path
    cohorts: Path
    models: Path
    hypotheses: Path


@dataclass(frozen=True, kw_only=True)
class Method:
    """One partition of a discovery method: whether it applied, and its cohorts by rule.

    Attributes:
        aside: cohorts that are shown and not judged.
    """

    name: str
    title: str
    applicable: bool
    reason: str
    cohorts: tuple[Row, ...]
    aside: tuple[Row, ...]
    extra: Row

    @property
    def columns(self) -> tuple[str, ...]:
        """By which the corpus itself declares the groups; none for groups that were found."""
        return columns_of(self.name)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The report as data; nothing below ``minimum`` speakers is left in it.

    Attributes:
        methods: every partition that the run asked for, those by columns of the corpus behind the others.
        declared: what became of these columns; empty without any.
        saving: the amortized model beside its dense control; ``saved``: their times, and whether harder speech gets
            more computation. Empty where the run has none.
        regression: model -> errors regressed on declared groups; empty without any.
        contradictions: sentences, where that says something else than the verdict.
        titles: model -> its name for people, in the order of every table and figure.
        hidden: per method, cohorts that are not shown because they, or their complement, are too small.
        inputs: file name -> sha256 of everything the report was made from.
    """

    verdict: Row
    corpus: Row
    methods: tuple[Method, ...]
    declared: str
    cohort_wer: tuple[Row, ...]
    gaps: tuple[Row, ...]
    equal_counts: tuple[Row, ...]
    comparisons: tuple[Row, ...]
    variances: tuple[Row, ...]
    saving: tuple[Row, ...]
    saved: Row
    selection: Row
    regression: Row
    contradictions: tuple[str, ...]
    titles: dict[str, str]
    curves: dict[str, tuple[Row, ...]]
    training: dict[str, Row]
    compute: dict[str, Row]
    rejected_by_rule: tuple[tuple[str, int], ...]
    hidden: Hidden
    minimum: int
    inputs: dict[str, str]

    @property
    def challenger(self) -> str:
        """Name of the arm that was judged."""
        return str(self.verdict["challenger"])

    @property
    def unit(self) -> str:
        """What errors are counted in: word, or character where a judged table has no spaces between words."""
        return str(self.corpus.get("unit", "word"))

    @property
    def rate(self) -> str:
        """What errors over all of these are called."""
        return "WER" if self.unit == "word" else "CER"

    @property
    def arms(self) -> tuple[str, ...]:
        """Every arm and control that ran."""
        return tuple(arm for arm in ARMS if arm in self.titles)

    @property
    def made_from_base(self) -> tuple[str, ...]:
        """Every model but the base."""
        return tuple(model for model in self.titles if model != BASE)

    @property
    def tuned(self) -> tuple[tuple[str, Row], ...]:
        """Each arm with each of its trials, where it had several."""
        trials = {model: self.training[model].get("trials", ()) for model in self.titles}
        return tuple((model, trial) for model, tried in trials.items() if len(tried) > 1 for trial in tried)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Arms that did not run, by the names that mitigate.arms could list."""
        return tuple(arm for arm in ARMS if arm not in self.titles)

    @property
    def controls(self) -> frozenset[str]:
        """Arms that were trained only to be compared with."""
        return frozenset(candidate["model"] for candidate in self.selection["candidates"] if candidate["control"])

    @property
    def folded(self) -> tuple[str, ...]:
        """What the verdict says beyond the lines that are read first."""
        return tuple(line for line in (*self.verdict["undecided"], *self.verdict["further"])
                     if line not in self.verdict["reasons"])

    @property
    def mitigated(self) -> str:
        """The method whose bottom cohort the arms aimed at."""
        return str(self.selection["method"])

    def wer(self, model: str, method: str, cohort: str, split: str = "test") -> Row | None:
        """The row of one model on one cohort, or None when there is none or it is hidden."""
        wanted = (model, method, cohort, split)
        return next((row for row in self.cohort_wer
                     if (row["model"], row["method"], row["cohort"], row["split"]) == wanted), None)

    def gap(self, model: str, method: str, split: str = "test") -> Row | None:
        """The gap row of one model under one method."""
        return next((row for row in self.gaps
                     if (row["model"], row["method"], row["split"]) == (model, method, split)), None)

    def changes(self, arm: str) -> tuple[Row | None, Row | None, Row | None]:
        """An arm against the base on test speakers: bottom cohort, everyone, variance over cohorts; None if hidden."""
        of_arm = {(row["method"], row["cohort"]): row for row in self.comparisons
                  if (row["arm"], row["split"]) == (arm, "test")}
        variance = (row for row in self.variances
                    if (row["arm"], row["split"], row["method"]) == (arm, "test", self.mitigated))
        return (of_arm.get((self.mitigated, self.selection["bottom"])), of_arm.get(("whole", "whole")),
                next(variance, None))


def read_contents(sources: Sources, minimum: int) -> Contents:
    """Read and suppress.

    Args:
        sources: artefact locations.
        minimum: cohorts with fewer speakers on a split are left out, and what would reveal them with them.

    Raises:
        ArtifactError: an input is missing or unreadable, or they do not come from the same models.
    """
    models = _models(sources)
    _check_origins(sources, models)
    cohort_wer = read_table(sources.evaluation / "cohort_wer.parquet", COHORT_WER).to_pylist()
    hidden = hidden_cohorts(cohort_wer, minimum)
    selection = read_json(sources.evaluation / "selection.json")
    bottom_hidden = is_hidden(selection["method"], selection["bottom"], hidden)
    training = {name: _training(read_json(sources.models / name / SUMMARY), bottom_hidden=bottom_hidden)
                for name in models}
    titles = {candidate["model"]: _title(candidate["model"], training) for candidate in selection["candidates"]}
    verdict, regression = read_json(sources.verdict), read_json(sources.evaluation / REGRESSION)
    return Contents(
        verdict=published_verdict(verdict, hidden),
        corpus=read_json(sources.corpus / "summary.json"),
        methods=tuple(_methods(sources.cohorts, hidden)),
        declared=_declared(sources.cohorts),
        cohort_wer=tuple(row for row in cohort_wer if not is_hidden(row["method"], row["cohort"], hidden)),
        gaps=tuple(row for row in read_table(sources.evaluation / "gaps.parquet", GAPS).to_pylist()
                   if not {row["bottom"], row["top"]} & hidden.get(row["method"], frozenset())),
        equal_counts=_equal_counts(sources.evaluation / "equal_counts.parquet", minimum),
        comparisons=tuple(row for row in read_table(sources.evaluation / "comparisons.parquet", COMPARISONS).to_pylist()
                          if not is_hidden(row["method"], row["cohort"], hidden)),
        variances=tuple(row for row in read_table(sources.evaluation / "variances.parquet", VARIANCES).to_pylist()
                        if not hidden.get(row["method"])),
        saving=tuple(row for row in read_table(sources.evaluation / "saving.parquet", SAVING).to_pylist()
                     if not is_hidden(row["method"], row["cohort"], hidden)),
        saved=read_json(sources.evaluation / "saving.json"),
        selection=_selection(selection, titles, hidden),
        regression={model: published_regression(found, hidden) for model, found in regression.items()},
        contradictions=contradicted(regression.get(verdict["challenger"]), verdict, hidden),
        titles=titles,
        curves={name: tuple(read_table(sources.models / name / "curve.parquet", CURVE).to_pylist()) for name in models},
        training=training,
        compute={name: read_json(sources.hypotheses / name / "compute.json") for name in models},
        rejected_by_rule=_rejections(sources.corpus / "rejected.parquet"),
        hidden=hidden,
        minimum=minimum,
        inputs=_digests(sources, models),
    )


def contradicted(regression: Row | None, verdict: Row, hidden: Hidden) -> tuple[str, ...]:
    """Where the regression of the model that was judged contradicts the verdict on it.

    Columns with a hidden group are passed over: what would be said of them tells about all their groups.
    """
    found = {} if regression is None else contradictions(regression, verdict)
    return tuple(sentence for partition, sentence in found.items() if not hidden.get(partition))


def _evaluated(sources: Sources) -> Origins:
    return Origins.read(read_json(sources.evaluation / ORIGINS), str(sources.evaluation / ORIGINS))


def _models(sources: Sources) -> list[str]:
    """Those that were evaluated: whatever else lies beside them is about another run."""
    return sorted(_evaluated(sources).models)


def _check_origins(sources: Sources, models: list[str]) -> None:
    """Figures, verdict and models on one page belong together, or there is no page."""
    here = collect(hypotheses=sources.hypotheses, cohorts=sources.cohorts, models=sources.models,
                   names=models, methods=METHODS, base=BASE)
    judged = Origins.read(read_json(sources.verdict).get("origins"), f"{sources.verdict}, origins")
    demand_same(_evaluated(sources), here, source="the evaluation", other="these hypotheses", stage="evaluate")
    demand_same(judged, here, source="the verdict", other="these hypotheses", stage="gate")


def _training(summary: Row, *, bottom_hidden: bool) -> Row:
    """What a training says of itself, without figures of a bottom cohort that is not shown."""
    if not bottom_hidden:
        return summary
    trials = [{**trial, "validate_bottom_wer": None} for trial in summary.get("trials", ())]
    return {**summary, "trials": trials}


def _title(model: str, training: dict[str, Row]) -> str:
    return "Base model" if model == BASE else str(training[model]["title"])


def _selection(selection: Row, titles: dict[str, str], hidden: Hidden) -> Row:
    """Why the challenger was chosen, without figures of a bottom cohort that is not shown."""
    if not is_hidden(selection["method"], selection["bottom"], hidden):
        return selection
    candidates = [{**candidate, "validate_bottom_wer": None, "chosen_by_wer": None,
                   "why": "by a cohort too small to be shown"} for candidate in selection["candidates"]]
    reason = f"{titles[selection['challenger']]} was chosen by a cohort too small to be shown."
    return {**selection, "candidates": candidates, "reason": reason}


def _methods(cohorts: Path, hidden: Hidden) -> Iterator[Method]:
    """Those that the run asked for; the reason of one may name a cohort and its WER."""
    for name in partitions_of(cohorts, METHODS):
        description = read_json(partition_folder(cohorts, name) / DESCRIPTION)
        if description["asked"]:
            shown, aside = (tuple(row for row in description[part] if not is_hidden(name, row["cohort"], hidden))
                            for part in ("cohorts", "aside"))
            yield Method(name=name, title=description["title"], applicable=description["applicable"],
                         reason=published_line(description["reason"], hidden), cohorts=shown, aside=aside,
                         extra=description.get("extra", {}))


def _declared(cohorts: Path) -> str:
    """What became of the columns that the corpus declares groups by; it names no group."""
    described = (read_json(cohorts / method / DESCRIPTION) for method in METHODS)
    return next((str(content["reason"]) for content in described if "partitions" in content), "")


def _equal_counts(path: Path, minimum: int) -> tuple[Row, ...]:
    """Partitions of which no part is too small to be shown."""
    return tuple(row for row in read_table(path, EQUAL_COUNTS).to_pylist()
                 if row["smallest"] >= minimum and not 0 < row["unplaced"] < minimum)


def _rejections(path: Path) -> tuple[tuple[str, int], ...]:
    counts: defaultdict[str, int] = defaultdict(int)
    for row in read_table(path, REJECTED).to_pylist():
        counts[row["rule"]] += 1
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _digests(sources: Sources, models: list[str]) -> dict[str, str]:
    """sha256 of each input small enough to be an input of this page, in name order.

    Named one by one: other models may lie beside those that dvc.yaml gives this stage, or not, as the runner has it.
    """
    roots = (sources.corpus / "summary.json", sources.evaluation, sources.verdict,
             *(sources.cohorts / method for method in sorted(METHODS)),
             *(folder / model for folder in (sources.hypotheses, sources.models) for model in models))
    files = [file for root in roots for file in (sorted(root.rglob("*")) if root.is_dir() else [root])]
    return {str(file): sha256(file) for file in files if file.is_file()}
