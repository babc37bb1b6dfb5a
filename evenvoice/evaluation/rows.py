"""Rows of the evaluation's tables, from speakers and their errors: nothing is read or written here.

Shapes: S speakers of one split, M models, C cohorts of one method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

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
from evenvoice.metrics.partitions import Partition
from evenvoice.metrics.speakers import SplitTable
from evenvoice.metrics.variance import change_of_variance, cohort_variances
from evenvoice.params import BASE, Evaluate

Row = dict[str, Any]
WHOLE: Final = "whole"
NOTHING: Final = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class Group:
    """One cohort of one method on one split, or everyone, under every model."""

    method: str
    cohort: str
    members: Mask
    log_wers: Mapping[str, Resampled]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One split: its groups, and the rows of each table."""

    groups: tuple[Group, ...]
    cohort_wer: tuple[Row, ...]
    gaps: tuple[Row, ...]
    comparisons: tuple[Row, ...]
    variances: tuple[Row, ...]


def compare(table: SplitTable, partitions: Sequence[Partition], settings: Evaluate, rng: np.random.Generator
            ) -> Compared:
    """All models on all groups, on the same resampled speakers."""
    bootstrap = SpeakerBootstrap(len(table.speakers), settings.replicates, rng)
    groups = groups_of(table, partitions, bootstrap)
    comparable = [partition for partition in partitions if partition.comparable]
    return Compared(
        groups=tuple(groups),
        cohort_wer=tuple(row for group in groups for row in wer_rows(table, group, settings.confidence)),
        gaps=tuple(row for partition in comparable for row in gap_rows(table, partition, groups, settings, rng)),
        comparisons=tuple(row for group in groups for row in comparison_rows(table, group, settings.confidence)),
        variances=tuple(row for partition in comparable
                        for row in variance_rows(table, partition, bootstrap, settings.confidence)))


def groups_of(table: SplitTable, partitions: Sequence[Partition], bootstrap: SpeakerBootstrap) -> list[Group]:
    """Everyone first, then the cohorts as they were known at discovery, also those nobody of this split is in.

    Those that are not judged stand behind the others, where somebody is in them.
    """
    wanted = [(WHOLE, WHOLE, table.everyone)]
    wanted += [(partition.method, cohort, table.members(partition.method, cohort))
               for partition in partitions if partition.applicable for cohort in partition.ranked]
    wanted += [(partition.method, aside.cohort, members_S) for partition in partitions for aside in partition.aside
               if (members_S := table.members(partition.method, aside.cohort)).any()]
    log_wers = bootstrap.log_wers(table.error_matrix, table.words, [members_S for _, _, members_S in wanted])
    return [Group(*one, dict(zip(table.models, of_models, strict=True)))
            for one, of_models in zip(wanted, log_wers, strict=True)]


def wer_rows(table: SplitTable, group: Group, confidence: float) -> Iterator[Row]:
    """Of COHORT_WER: a group under every model."""
    speakers = int(np.count_nonzero(group.members))
    for model, log_wer in group.log_wers.items():
        counts = table.table(model, group.members)
        errors = int(counts.errors.sum())
        bounds = wer_interval(log_wer, errors=errors, confidence=confidence) if counts.words.sum() else NOTHING
        yield {"model": model, "method": group.method, "cohort": group.cohort, "split": table.split,
               "speakers": speakers, "words": int(counts.words.sum()), "errors": errors, "wer": known(bounds.estimate),
               "wer_low": known(bounds.low), "wer_high": known(bounds.high),
               "share": speakers / max(len(table.speakers), 1)}


def relative(log_ratio: Resampled, errors: int, reference_errors: int, confidence: float) -> Interval:
    """Nothing can be so many times worse than no errors at all: then there is no figure."""
    return relative_interval(log_ratio, errors=errors, confidence=confidence) if reference_errors else NOTHING


def known(value: float) -> float | None:
    """The figure, or None where there is none."""
    return value if np.isfinite(value) else None


def gap_rows(table: SplitTable, partition: Partition, groups: Sequence[Group], settings: Evaluate,
             rng: np.random.Generator) -> Iterator[Row]:
    """Of GAPS: one of each model, beside random partitions of the same sizes."""
    of = {group.cohort: group for group in groups if group.method == partition.method}
    bottom, top = of[partition.bottom], of[partition.top]
    members_CS = np.stack([of[cohort].members for cohort in partition.ranked]) & (table.words > 0)
    placed_S, sizes_C = members_CS.any(axis=0), members_CS.sum(axis=1)
    chance = null_spreads(table.error_matrix[placed_S], table.words[placed_S], sizes_C[sizes_C > 0],
                          settings.null_partitions, rng)
    for model, null in zip(table.models, chance, strict=True):
        errors = table.errors[model]
        gap = relative(ratio_of_groups(bottom.log_wers[model], top.log_wers[model]), errors[bottom.members].sum(),
                        errors[top.members].sum(), settings.confidence)
        yield {"model": model, "method": partition.method, "split": table.split, "cohorts": len(partition.cohorts),
               "bottom": partition.bottom, "top": partition.top, "bottom_share": float(bottom.members.mean()),
               "gap_over_top": known(gap.estimate), "gap_over_top_low": known(gap.low),
               "gap_over_top_high": known(gap.high), "gap_over_bottom": known(gap_over_bottom(gap.estimate)),
               "spread": known(spread(members_CS @ errors, members_CS @ table.words)),
               "null_spread": known(null.mean), "null_spread_high": known(null.high)}


def comparison_rows(table: SplitTable, group: Group, confidence: float) -> Iterator[Row]:
    """Of COMPARISONS: every other model against the base."""
    base = table.table(BASE, group.members)
    for arm in table.models:
        if arm == BASE:
            continue
        counts = table.table(arm, group.members)
        change = relative(ratio_of_models(group.log_wers[arm], group.log_wers[BASE]), counts.errors.sum(),
                           base.errors.sum(), confidence)
        yield {"arm": arm, "split": table.split, "method": group.method, "cohort": group.cohort,
               "speakers": len(base.words), "base_wer": known(base.wer),
               "arm_wer": known(counts.wer), "relative": known(change.estimate),
               "relative_low": known(change.low), "relative_high": known(change.high)}


def variance_rows(table: SplitTable, partition: Partition, bootstrap: SpeakerBootstrap, confidence: float
                  ) -> Iterator[Row]:
    """Of VARIANCES: the variance over cohorts of every other model against the base's."""
    if table.models == (BASE,):
        return
    found = cohort_variances(bootstrap, table.error_matrix, table.words,
                             [table.members(partition.method, cohort) for cohort in partition.ranked])
    of = dict(zip(table.models, found, strict=True)) if found is not None else {}
    for arm in of:
        if arm == BASE:
            continue
        change = change_of_variance(of[arm], of[BASE], confidence)
        yield {"arm": arm, "split": table.split, "method": partition.method,
               "base_variance": of[BASE].estimate, "arm_variance": of[arm].estimate,
               "relative": known(change.estimate), "relative_low": known(change.low),
               "relative_high": known(change.high)}


