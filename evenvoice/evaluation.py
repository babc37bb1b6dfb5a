"""WER per cohort, gaps beside chance, and every arm beside the base: the tables that report, gate and record read.

Nothing is hidden here: small cohorts are suppressed where figures are published (evenvoice.metrics.suppression).

Shapes: S speakers of one split, M models, C cohorts of one method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from evenvoice.data.schemas import COHORT_WER, COHORTS, COMPARISONS, EQUAL_COUNTS, GAPS, SAVING, VARIANCES
from evenvoice.data.tables import read_table, rows_table, write_table
from evenvoice.errors import ArtifactError
from evenvoice.metrics.bootstrap import (
    Interval,
    Mask,
    Resampled,
    SpeakerBootstrap,
    ratio_of_groups,
    ratio_of_models,
    relative_interval,
    wer_interval,
)
from evenvoice.metrics.disparity import gap_over_bottom, null_spreads, spread
from evenvoice.metrics.equal_counts import equal_counts
from evenvoice.metrics.partitions import (
    DESCRIPTION,
    Partition,
    metric_scope,
    partition_folder,
    partitions_of,
    read_partition,
)
from evenvoice.metrics.selection import choose
from evenvoice.metrics.speakers import SplitTable, read_splits, write_speakers
from evenvoice.metrics.variance import change_of_variance, cohort_variances
from evenvoice.origins import ORIGINS, SUMMARY, WORKED, collect, stage_of
from evenvoice.params import AMORTIZED, BASE, DENSE, METHODS, Evaluate
from evenvoice.progress import Progress
from evenvoice.saving.choice import saver
from evenvoice.saving.shares import Worked, harder_gets_more, read_worked
from evenvoice.saving.timed import read_timing
from evenvoice.storage import fresh_directory, read_json, write_json

Row = dict[str, Any]
WHOLE: Final = "whole"
STREAM: Final = 0x65766C
"""Keeps these random numbers apart from those that other stages draw from the same seed."""

HARDER: Final = 97
"""Likewise, the permutations of who gets the computation from all splits."""


@dataclass(frozen=True, kw_only=True)
class Margins:
    """Relative rises of WER that still count as no harm.

    Attributes:
        regression: against the base model.
        saving: of the amortized model against its dense control.
    """

    regression: float
    saving: float


NOTHING: Final = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class Group:
    """One cohort of one method on one split, or everyone, under every model."""

    method: str
    cohort: str
    members: Mask
    log_wers: Mapping[str, Resampled]


def evaluate(*, hypotheses: Path, cohorts: Path, models: Path, out: Path, timing: Path, settings: Evaluate,
             mitigated: str, names: Sequence[str], margins: Margins, seed: int, progress: Progress) -> None:
    """Write every table of the evaluation, or none.

    Args:
        hypotheses: directory with one directory per model.
        cohorts: directory with one directory per discovery method.
        models: directory with the models that the hypotheses have to come from.
        timing: what the timing stage measured; only read where the run has an amortized model.
        mitigated: the method whose bottom cohort the mitigation arms aimed at.
        names: models of the run, the base first; whatever lies beside them is not looked at.
        margins: what the choice of the challenger tolerates.

    Raises:
        ArtifactError: inputs are missing, hold repeats, do not fit each other, or come from other models.
    """
    saves = AMORTIZED in names
    origins = collect(hypotheses=hypotheses, cohorts=cohorts, models=models, names=names, methods=METHODS, base=BASE)
    methods = partitions_of(cohorts, METHODS)
    partitions = [_partition(partition_folder(cohorts, method), method) for method in methods]
    # cohorts were found on discover speakers: their figures stand beside the others to show how much they flatter, and
    # arms are compared with each other on them too
    tables = read_splits(hypotheses=hypotheses, cohorts=cohorts, methods=methods,
                         splits=dict.fromkeys(("discover", "validate", "test"), names))
    progress.total = len(tables)
    cohort_wer: list[Row] = []
    gaps: list[Row] = []
    comparisons: list[Row] = []
    variances: list[Row] = []
    saving: list[Row] = []
    for number, table in enumerate(progress.over(tables.values())):
        rng = np.random.default_rng([seed, STREAM, number])
        bootstrap = SpeakerBootstrap(len(table.speakers), settings.replicates, rng)
        groups = _groups(table, partitions, bootstrap)
        cohort_wer += [row for group in groups for row in _wer_rows(table, group, settings.confidence)]
        gaps += [row for partition in partitions if partition.comparable
                 for row in _gap_rows(table, partition, groups, settings, rng)]
        comparisons += [row for group in groups for row in _comparison_rows(table, group, settings.confidence)]
        variances += [row for partition in partitions if partition.comparable
                      for row in _variance_rows(table, partition, bootstrap, settings.confidence)]
        if saves:
            worked = read_worked(hypotheses / AMORTIZED / WORKED, table)
            saving += [_saving_row(table, group, worked, settings.confidence) for group in groups]
    rng = np.random.default_rng([seed, STREAM, len(tables)])
    equal = [row for method in methods for row in equal_counts(
        tables["test"], BASE, method, partition_folder(cohorts, method) / "coarser.parquet", settings.null_partitions,
        rng)]
    target = next(partition for partition in partitions if partition.method == mitigated)
    timed = read_timing(timing, models) if saves else None
    chosen = choose(tables["validate"], target, margins.regression, controls=_controls(models, names),
                    discover=tables["discover"], beside=partitions,
                    saver=None if timed is None else saver(saving, timed, margins.saving))
    with fresh_directory(out) as draft:
        write_table(draft / "cohort_wer.parquet", rows_table(cohort_wer, COHORT_WER))
        write_table(draft / "gaps.parquet", rows_table(gaps, GAPS))
        write_table(draft / "equal_counts.parquet", rows_table(equal, EQUAL_COUNTS))
        write_table(draft / "comparisons.parquet", rows_table(comparisons, COMPARISONS))
        write_table(draft / "variances.parquet", rows_table(variances, VARIANCES))
        write_table(draft / "saving.parquet", rows_table(saving, SAVING))
        write_speakers(draft / "speakers.parquet", tables.values(), methods)
        write_json(draft / ORIGINS, origins.to_json())
        write_json(draft / "methods.json", {partition.method: partition.to_json() for partition in partitions})
        write_json(draft / "selection.json", chosen.to_json())
        write_json(draft / "saving.json", {} if timed is None else {
            **timed, "harder_gets_more": _harder_gets_more(tables["test"], hypotheses, seed)})
        write_json(draft / "metrics.json", flat_metrics(cohort_wer, gaps, comparisons, saving))


def _controls(models: Path, names: Sequence[str]) -> frozenset[str]:
    """Models that their own summaries call a control."""
    said = {name: read_json(models / name / SUMMARY).get("control") for name in names if name != BASE}
    for name, control in said.items():
        if not isinstance(control, bool):
            stage = stage_of(name)
            raise ArtifactError(name=f"control in {models / name / SUMMARY}", rule="be true or false", value=control,
                                action=f"Run {stage} again: make run FORCE_STAGE={stage}.")
    return frozenset(name for name, control in said.items() if control)


def _partition(directory: Path, method: str) -> Partition:
    source = directory / DESCRIPTION
    partition = read_partition(method, read_json(source), str(source))
    placed = read_table(directory / "cohorts.parquet", COHORTS, ["cohort"])["cohort"]
    if partition.applicable and placed.null_count == len(placed):
        return replace(partition, applicable=False, cohorts=(), aside=(), reason="it places no speaker in any cohort")
    return partition


def _groups(table: SplitTable, partitions: list[Partition], bootstrap: SpeakerBootstrap) -> list[Group]:
    """Everyone first, then the cohorts as they were known at discovery, also those nobody of this split is in.

    Those that are not judged stand behind the others, where somebody is in them.
    """
    wanted = [(WHOLE, WHOLE, table.everyone)]
    wanted += [(partition.method, cohort, table.members(partition.method, cohort))
               for partition in partitions if partition.applicable for cohort in partition.ranked]
    wanted += [(partition.method, aside.cohort, members_S) for partition in partitions for aside in partition.aside
               if (members_S := table.members(partition.method, aside.cohort)).any()]
    return [Group(method, cohort, members_S,
                  dict(zip(table.models, bootstrap.log_wers(table.error_matrix, table.words, members_S), strict=True)))
            for method, cohort, members_S in wanted]


def _wer_rows(table: SplitTable, group: Group, confidence: float) -> Iterator[Row]:
    speakers = int(np.count_nonzero(group.members))
    for model, log_wer in group.log_wers.items():
        counts = table.table(model, group.members)
        errors = int(counts.errors.sum())
        bounds = wer_interval(log_wer, errors=errors, confidence=confidence) if counts.words.sum() else NOTHING
        yield {"model": model, "method": group.method, "cohort": group.cohort, "split": table.split,
               "speakers": speakers, "words": int(counts.words.sum()), "errors": errors, "wer": _known(bounds.estimate),
               "wer_low": _known(bounds.low), "wer_high": _known(bounds.high),
               "share": speakers / max(len(table.speakers), 1)}


def _relative(log_ratio: Resampled, errors: int, reference_errors: int, confidence: float) -> Interval:
    """Nothing can be so many times worse than no errors at all: then there is no figure."""
    return relative_interval(log_ratio, errors=errors, confidence=confidence) if reference_errors else NOTHING


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _gap_rows(table: SplitTable, partition: Partition, groups: list[Group], settings: Evaluate,
              rng: np.random.Generator) -> Iterator[Row]:
    of = {group.cohort: group for group in groups if group.method == partition.method}
    bottom, top = of[partition.bottom], of[partition.top]
    members_CS = np.stack([of[cohort].members for cohort in partition.ranked]) & (table.words > 0)
    placed_S, sizes_C = members_CS.any(axis=0), members_CS.sum(axis=1)
    chance = null_spreads(table.error_matrix[placed_S], table.words[placed_S], sizes_C[sizes_C > 0],
                          settings.null_partitions, rng)
    for model, null in zip(table.models, chance, strict=True):
        errors = table.errors[model]
        gap = _relative(ratio_of_groups(bottom.log_wers[model], top.log_wers[model]), errors[bottom.members].sum(),
                        errors[top.members].sum(), settings.confidence)
        yield {"model": model, "method": partition.method, "split": table.split, "cohorts": len(partition.cohorts),
               "bottom": partition.bottom, "top": partition.top, "bottom_share": float(bottom.members.mean()),
               "gap_over_top": _known(gap.estimate), "gap_over_top_low": _known(gap.low),
               "gap_over_top_high": _known(gap.high), "gap_over_bottom": _known(gap_over_bottom(gap.estimate)),
               "spread": _known(spread(members_CS @ errors, members_CS @ table.words)),
               "null_spread": _known(null.mean), "null_spread_high": _known(null.high)}


def _comparison_rows(table: SplitTable, group: Group, confidence: float) -> Iterator[Row]:
    base = table.table(BASE, group.members)
    for arm in table.models:
        if arm == BASE:
            continue
        counts = table.table(arm, group.members)
        change = _relative(ratio_of_models(group.log_wers[arm], group.log_wers[BASE]), counts.errors.sum(),
                           base.errors.sum(), confidence)
        yield {"arm": arm, "split": table.split, "method": group.method, "cohort": group.cohort,
               "speakers": len(base.words), "base_wer": _known(base.wer),
               "arm_wer": _known(counts.wer), "relative": _known(change.estimate),
               "relative_low": _known(change.low), "relative_high": _known(change.high)}


def _variance_rows(table: SplitTable, partition: Partition, bootstrap: SpeakerBootstrap, confidence: float
                   ) -> Iterator[Row]:
    found = cohort_variances(bootstrap, table.error_matrix, table.words,
                             [table.members(partition.method, cohort) for cohort in partition.ranked])
    of = dict(zip(table.models, found, strict=True)) if found is not None else {}
    for arm in of:
        if arm == BASE:
            continue
        change = change_of_variance(of[arm], of[BASE], confidence)
        yield {"arm": arm, "split": table.split, "method": partition.method,
               "base_variance": of[BASE].estimate, "arm_variance": of[arm].estimate,
               "relative": _known(change.estimate), "relative_low": _known(change.low),
               "relative_high": _known(change.high)}


def _saving_row(table: SplitTable, group: Group, worked: Worked, confidence: float) -> Row:
    change = _relative(ratio_of_models(group.log_wers[AMORTIZED], group.log_wers[DENSE]),
                       table.errors[AMORTIZED][group.members].sum(), table.errors[DENSE][group.members].sum(),
                       confidence)
    return {"split": table.split, "method": group.method, "cohort": group.cohort,
            "speakers": int(np.count_nonzero(group.members)), "executed_share": worked.share(group.members),
            "relative": _known(change.estimate), "relative_low": _known(change.low),
            "relative_high": _known(change.high)}


def _harder_gets_more(test: SplitTable, hypotheses: Path, seed: int) -> Row | None:
    found = harder_gets_more(read_worked(hypotheses / AMORTIZED / WORKED, test), test.errors[DENSE], test.words,
                             np.random.default_rng([seed, STREAM, HARDER]))
    return None if found is None else asdict(found)


def flat_metrics(cohort_wer: list[Row], gaps: list[Row], comparisons: list[Row], saving: list[Row]) -> dict[str, float]:
    """Numbers by name, in characters that MLflow accepts; what could not be measured is left out.

    Names are ``wer/<model>/<split>/whole``, ``wer/<model>/<split>/<method>/<cohort>``,
    ``speakers/<split>/<method>/<cohort>``, ``gap/<method>/<bottom>/<top>/<model>/<split>`` (over top),
    ``relative/<arm>/<split>/whole`` or ``.../<method>/<cohort>``, and of the amortized model beside its dense control
    ``saving/relative/<split>/...`` and ``saving/share/<split>/...``, the part of the encoder's work that it is spared.
    Each names the cohorts that it tells about, so that a name is enough to leave out what must not be published;
    spreads, which tell about all cohorts, are not here.
    """
    named: dict[str, float | None] = {}
    for row in cohort_wer:
        named[f"wer/{row['model']}/{row['split']}/{_scope(row)}"] = row["wer"]
        named[f"speakers/{row['split']}/{_scope(row)}"] = float(row["speakers"])
    for row in gaps:
        top = metric_scope("", row["top"])
        named[f"gap/{_of(row, 'bottom')}{top}/{row['model']}/{row['split']}"] = row["gap_over_top"]
    for row in comparisons:
        named[f"relative/{row['arm']}/{row['split']}/{_scope(row)}"] = row["relative"]
    for row in saving:
        executed, scope = row["executed_share"], f"{row['split']}/{_scope(row)}"
        named[f"saving/share/{scope}"] = None if executed is None else 1 - executed
        named[f"saving/relative/{scope}"] = row["relative"]
    return {name: value for name, value in named.items() if value is not None}


def _scope(row: Row) -> str:
    return WHOLE if row["method"] == WHOLE else _of(row, "cohort")


def _of(row: Row, which: str) -> str:
    return metric_scope(row["method"], row[which])
