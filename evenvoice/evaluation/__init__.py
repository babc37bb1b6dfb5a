"""WER per cohort, gaps beside chance, and every arm beside the base: the tables that report, gate and record read.

Nothing is hidden here: small cohorts are suppressed where figures are published (evenvoice.metrics.suppression).

Shapes: S speakers of one split, M models, C cohorts of one method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from evenvoice.data.schemas import COHORT_WER, COHORTS, COMPARISONS, EQUAL_COUNTS, GAPS, SAVING, VARIANCES
from evenvoice.data.tables import read_table, rows_table, write_table
from evenvoice.errors import ArtifactError
from evenvoice.evaluation.metric_names import flat_metrics
from evenvoice.evaluation.rows import Row, compare
from evenvoice.evaluation.saving import HARDER, saving_row, who_gets_more
from evenvoice.metrics.equal_counts import equal_counts
from evenvoice.metrics.partitions import DESCRIPTION, Partition, partition_folder, partitions_of, read_partition
from evenvoice.metrics.publication import REGRESSION
from evenvoice.metrics.regression import regressions
from evenvoice.metrics.selection import choose
from evenvoice.metrics.speakers import read_splits, write_speakers
from evenvoice.origins import ORIGINS, SUMMARY, WORKED, collect, stage_of
from evenvoice.params import AMORTIZED, BASE, METHODS, Evaluate
from evenvoice.progress import Progress
from evenvoice.saving.choice import saver
from evenvoice.saving.shares import read_worked
from evenvoice.saving.timed import read_timing
from evenvoice.storage import fresh_directory, read_json, write_json

STREAM: Final = 0x65766C
"""Keeps these random numbers apart from those that other stages draw from the same seed."""


@dataclass(frozen=True, kw_only=True)
class Margins:
    """Relative rises of WER that still count as no harm.

    Attributes:
        regression: against the base model.
        saving: of the amortized model against its dense control.
    """

    regression: float
    saving: float


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
        compared = compare(table, partitions, settings, np.random.default_rng([seed, STREAM, number]))
        cohort_wer += compared.cohort_wer
        gaps += compared.gaps
        comparisons += compared.comparisons
        variances += compared.variances
        if saves:
            worked = read_worked(hypotheses / AMORTIZED / WORKED, table)
            saving += [saving_row(table, group, worked, settings.confidence) for group in compared.groups]
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
        write_json(draft / REGRESSION, regressions(tables["test"], partitions, (BASE, chosen.challenger)))
        write_json(draft / "saving.json", {} if timed is None else {**timed, "harder_gets_more": who_gets_more(
            tables["test"], read_worked(hypotheses / AMORTIZED / WORKED, tables["test"]),
            np.random.default_rng([seed, STREAM, HARDER]))})
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
