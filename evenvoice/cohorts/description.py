"""What a cohort method found, and the files that tell it: who is in which cohort, and a description for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from evenvoice.cohorts.table import CohortTable, word_error_rate
from evenvoice.data.schemas import COARSER, COHORTS
from evenvoice.data.tables import rows_table, write_table
from evenvoice.origins import Origin
from evenvoice.params import Discover
from evenvoice.storage import write_json

MOST_COARSE: Final = 8
"""Methods are compared at equal numbers of cohorts up to this one; beyond it cohorts get too small to show anything."""


class FrozenRule(Protocol):
    """A rule that was fitted on discover speakers and can place anyone."""

    def assign(self, table: CohortTable) -> NDArray[np.intp]:
        """Cohort number (S,) of each speaker, 0 for the worst discover WER; -1 where it cannot be told."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A method's rule in the order of discover WER, worst first.

    Args:
        coarser: the same search cut down to 2, 3, ... cohorts, fewer than or as many as here, in no order of WER.
        prefix: names are ``<prefix>-1``, ``<prefix>-2`` and so on, worst first.
        rules: one human-readable rule per cohort.
        reason: how the cohorts came about.
    """

    rule: FrozenRule
    prefix: str
    rules: tuple[str, ...]
    reason: str
    coarser: Mapping[int, FrozenRule] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Cohort names in rank order."""
        return [f"{self.prefix}-{number}" for number in range(1, len(self.rules) + 1)]


@dataclass(frozen=True)
class NotApplicable:
    """A method that has nothing to go by in this corpus."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to find cohorts, as the file of its name describes it.

    Attributes:
        title: its name for people.
        find: fits on discover speakers, the first table, and prunes on validate speakers, the second.
    """

    title: str
    find: Callable[[CohortTable, CohortTable, Discover, np.random.Generator], Found | NotApplicable]


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """One cohort as discover speakers show it; rank 1 is the worst."""

    cohort: str
    rule: str
    rank: int
    discover_speakers: int
    discover_words: int
    discover_wer: float


def write_cohorts(draft: Path, found: Found | NotApplicable, table: CohortTable) -> None:
    """Apply the frozen rule, and its coarser ones, to every speaker of every split."""
    names = found.names() if isinstance(found, Found) else []
    write_table(draft / "cohorts.parquet", rows_table([
        {**row, "cohort": names[label] if label >= 0 else None}
        for row, label in zip(_keys(table), _labels(found, table).tolist(), strict=True)], COHORTS))
    write_table(draft / "coarser.parquet", rows_table([
        {**row, "cohorts": count, "cohort": label if label >= 0 else None}
        for count, rule in (sorted(found.coarser.items()) if isinstance(found, Found) else ())
        for row, label in zip(_keys(table), rule.assign(table).tolist(), strict=True)], COARSER))


def describe(draft: Path, *, method: str, title: str, found: Found | NotApplicable, table: CohortTable,
             parameters: dict[str, Any], origin: Origin) -> None:
    """Write description.json.

    Args:
        origin: of the hypotheses that the cohorts were found in.
    """
    cohorts = _cohorts(found, table, _labels(found, table)) if isinstance(found, Found) else []
    write_json(draft / "description.json", {
        "method": method, "title": title, "applicable": isinstance(found, Found), "reason": found.reason,
        "parameters": parameters, "origin": origin.to_json(), "cohorts": [asdict(cohort) for cohort in cohorts],
        "extra": found.extra if isinstance(found, Found) else {}})


def _labels(found: Found | NotApplicable, table: CohortTable) -> NDArray[np.intp]:
    return found.rule.assign(table) if isinstance(found, Found) else np.full(len(table), -1, dtype=np.intp)


def _keys(table: CohortTable) -> list[dict[str, object]]:
    return [{"speaker": speaker, "split": split} for speaker, split in zip(table.speakers, table.splits, strict=True)]


def _cohorts(found: Found, table: CohortTable, labels_S: NDArray[np.intp]) -> list[Cohort]:
    counted_S = (table.splits == "discover") & (table.words > 0)
    cohorts = []
    for number, (name, rule) in enumerate(zip(found.names(), found.rules, strict=True)):
        members_S = counted_S & (labels_S == number)
        errors, words = table.errors[members_S], table.words[members_S]
        cohorts.append(Cohort(cohort=name, rule=rule, rank=number + 1, discover_speakers=len(words),
                              discover_words=int(words.sum()), discover_wer=word_error_rate(errors, words)))
    return cohorts
