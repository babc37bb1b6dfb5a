"""What a cohort method found, and the files that tell it: who is in which cohort, and a description for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenvoice.cohorts.table import CohortTable, word_error_rate
from evenvoice.data.coded import NOTHING, picked
from evenvoice.data.schemas import COARSER, COHORTS
from evenvoice.data.tables import write_table
from evenvoice.metrics.partitions import DESCRIPTION, Aside, FrozenCohort, Partition
from evenvoice.origins import Origin
from evenvoice.params import Discover
from evenvoice.storage import write_json

if TYPE_CHECKING:
    from evenvoice.cohorts.watched import Earlier

MOST_COARSE: Final = 8
"""Methods are compared at equal numbers of cohorts up to this one; beyond it cohorts get too small to show anything."""


class FrozenRule(Protocol):
    """A rule that was fitted on discover speakers and can place anyone."""

    def assign(self, table: CohortTable) -> NDArray[np.intp]:
        """Cohort number (S,) of each speaker, 0 for the worst discover WER; -1 where it cannot be told.

        Those that are not judged come behind those that are.
        """


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """One cohort as discover speakers show it; rank 1 is the worst."""

    cohort: str
    rule: str
    rank: int
    discover_speakers: int
    discover_words: int
    discover_wer: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """A method's rule in the order of discover WER, worst first.

    Args:
        coarser: the same search cut down to 2, 3, ... cohorts, fewer than or as many as here, in no order of WER.
        prefix: names are ``<prefix>-1``, ``<prefix>-2`` and so on, worst first.
        named: the names, where they have names of their own.
        aside: cohorts that are shown and not judged.
        rules: one human-readable rule per cohort.
        reason: how the cohorts came about.
        earlier: the cohorts as the run described them that found them, with its names and the WER of its discover
            speakers; empty where this run found them.
    """

    rule: FrozenRule
    rules: tuple[str, ...]
    reason: str
    prefix: str = ""
    coarser: Mapping[int, FrozenRule] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    earlier: tuple[Cohort, ...] = ()
    named: tuple[str, ...] = ()
    aside: tuple[Aside, ...] = ()

    def names(self) -> list[str]:
        """Cohort names in rank order."""
        if self.earlier:
            return [cohort.cohort for cohort in self.earlier]
        if self.named:
            return list(self.named)
        return [f"{self.prefix}-{number}" for number in range(1, len(self.rules) + 1)]

    def all_names(self) -> list[str]:
        """Those of the cohorts that are not judged behind them, as the rule counts."""
        return [*self.names(), *(aside.cohort for aside in self.aside)]


@dataclass(frozen=True, kw_only=True)
class FoundEach:
    """Several partitions of everybody, by name: the title of each, and what was found."""

    partitions: Mapping[str, tuple[str, Found]]
    reason: str


@dataclass(frozen=True)
class NotApplicable:
    """A method that has nothing to go by in this corpus, or that nobody asked for."""

    reason: str
    asked: bool = True


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a method is handed, and so all that it can know.

    Attributes:
        discover: speakers to fit on.
        validate: speakers to prune on.
        earlier: what an earlier run found, where its cohorts are watched.
    """

    discover: CohortTable
    validate: CohortTable
    earlier: Earlier | None


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to find cohorts, as the file of its name describes it.

    Attributes:
        title: its name for people.
        goes_by: what tells speakers apart for it.
        find: fits and prunes.
    """

    title: str
    goes_by: Literal["places", "census", "voices", "columns", "earlier cohorts"]
    find: Callable[[Given, Discover, np.random.Generator], Found | FoundEach | NotApplicable]


def write_cohorts(draft: Path, found: Found | NotApplicable, table: CohortTable) -> None:
    """Apply the frozen rule, and its coarser ones, to every speaker of every split."""
    names = found.all_names() if isinstance(found, Found) else []
    coarser = sorted(found.coarser.items()) if isinstance(found, Found) else []
    keys = {"speaker": pa.array(table.speakers, pa.string()), "split": pa.array(table.splits, pa.string())}
    write_table(draft / "cohorts.parquet",
                pa.table({**keys, "cohort": picked(names, _labels(found, table))}, schema=COHORTS))
    write_table(draft / "coarser.parquet", pa.concat_tables([
        COARSER.empty_table(), *(_coarser(keys, cohorts, rule.assign(table)) for cohorts, rule in coarser)]))


def partition_of(name: str, found: Found | NotApplicable, table: CohortTable) -> tuple[Partition, list[str | None]]:
    """The cohorts as they are frozen, and each speaker's (S,)."""
    if isinstance(found, NotApplicable):
        return Partition(method=name, applicable=False, reason=found.reason, cohorts=(), asked=found.asked), (
            [None] * len(table))
    labels, names = _labels(found, table), np.array([*found.all_names(), None], dtype=object)
    cohorts = tuple(FrozenCohort(cohort=cohort.cohort, rule=cohort.rule, discover_speakers=cohort.discover_speakers,
                                 discover_words=cohort.discover_words, discover_wer=cohort.discover_wer)
                    for cohort in _cohorts(found, table, labels))
    return (Partition(method=name, applicable=True, reason=found.reason, cohorts=cohorts, aside=found.aside),
            names[labels].tolist())  # the label of nothing, which is -1, is that of the last name


def describe(draft: Path, *, method: str, title: str, found: Found | NotApplicable, table: CohortTable,
             parameters: dict[str, Any], origin: Origin) -> None:
    """Write description.json of one partition.

    Where nobody asked for the method (``asked``), report and gate need not say that it found nothing.

    Args:
        origin: of the hypotheses that the cohorts were found in.
    """
    cohorts = _cohorts(found, table, _labels(found, table)) if isinstance(found, Found) else []
    write_json(draft / DESCRIPTION, {
        "method": method, "title": title, "applicable": isinstance(found, Found), "reason": found.reason,
        "asked": isinstance(found, Found) or found.asked,
        "parameters": parameters, "origin": origin.to_json(), "cohorts": [asdict(cohort) for cohort in cohorts],
        "aside": [asdict(aside) for aside in found.aside] if isinstance(found, Found) else [],
        "extra": found.extra if isinstance(found, Found) else {}})


def describe_each(draft: Path, *, method: str, title: str, found: FoundEach, parameters: dict[str, Any], origin: Origin
                  ) -> None:
    """Write description.json of a method with several partitions, each of which has one of its own."""
    write_json(draft / DESCRIPTION, {
        "method": method, "title": title, "applicable": True, "asked": True, "reason": found.reason,
        "parameters": parameters, "origin": origin.to_json(), "partitions": list(found.partitions)})


def _labels(found: Found | NotApplicable, table: CohortTable) -> NDArray[np.intp]:
    return found.rule.assign(table) if isinstance(found, Found) else np.full(len(table), -1, dtype=np.intp)


def _coarser(keys: Mapping[str, pa.Array], cohorts: int, labels_S: NDArray[np.intp]) -> pa.Table:
    return pa.table({**keys, "cohorts": np.full(len(labels_S), cohorts),
                     "cohort": pa.array(labels_S, mask=labels_S == NOTHING)}, schema=COARSER)


def _cohorts(found: Found, table: CohortTable, labels_S: NDArray[np.intp]) -> list[Cohort]:
    if found.earlier:
        return list(found.earlier)
    counted_S = (table.splits == "discover") & (table.words > 0)
    cohorts = []
    for number, (name, rule) in enumerate(zip(found.names(), found.rules, strict=True)):
        members_S = counted_S & (labels_S == number)
        errors, words = table.errors[members_S], table.words[members_S]
        cohorts.append(Cohort(cohort=name, rule=rule, rank=number + 1, discover_speakers=len(words),
                              discover_words=int(words.sum()), discover_wer=word_error_rate(errors, words)))
    return cohorts
