"""Cohorts as discovery froze them: which there are, how each is told apart, and who was best and worst.

Most methods make one partition of everybody, in the folder of the method's name. One makes several, each in a folder
within that: ``attributes-gender`` lies in ``attributes/gender``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from evenvoice.errors import ArtifactError
from evenvoice.storage import read_json

DESCRIPTION: Final = "description.json"
SMALLER: Final = "smaller groups"
"""Stands for every value of a column that too few discover speakers have, and for those that only others have."""
PARTED: Final = "-"
"""Between the name of a method and the columns of one of its partitions; neither has one."""


def partition_name(method: str, columns: Sequence[str]) -> str:
    """E.g. ``attributes-gender-age_band``."""
    return PARTED.join((method, *columns))


def crossed_name(values: Sequence[str]) -> str:
    """A group in the corpus's own words, e.g. ``female and 20-29``."""
    return " and ".join(values)


def method_of(partition: str) -> str:
    """The method that made a partition."""
    return partition.partition(PARTED)[0]


def columns_of(partition: str) -> tuple[str, ...]:
    """The columns that a partition is declared by; none for one that was found."""
    return tuple(partition.split(PARTED)[1:])


def partition_folder(folder: Path, partition: str, *, of_method: bool = False) -> Path:
    """Where the files of a partition lie.

    Args:
        folder: with a folder for each method, or that of the method itself.
    """
    method, _, part = partition.partition(PARTED)
    within = folder if of_method else folder / method
    return within / part if part else within


def partitions_of(cohorts: Path, methods: Iterable[str]) -> tuple[str, ...]:
    """Names of all partitions, method by method.

    Raises:
        ArtifactError: a description is missing or broken.
    """
    found: list[str] = []
    for method in methods:
        described = read_json(cohorts / method / DESCRIPTION)
        found += described.get("partitions", [method])
    return tuple(found)


def metric_scope(partition: str, cohort: str) -> str:
    """A cohort as a part of the names of metrics: characters that MLflow does not allow are ``_`` and their code.

    A slash would part the name, so it is one of them.
    """
    return f"{partition}/{re.sub(r'[^A-Za-z0-9_. -]', lambda match: f'_{ord(match[0]):x}', cohort)}"


@dataclass(frozen=True, kw_only=True)
class FrozenCohort:
    """One cohort, with the base model's WER on its discover speakers."""

    cohort: str
    rule: str
    discover_speakers: int
    discover_words: int
    discover_wer: float


@dataclass(frozen=True)
class Aside:
    """A cohort that has no rank; shown, and not judged but for :data:`SMALLER`."""

    cohort: str
    rule: str


@dataclass(frozen=True, kw_only=True)
class Partition:
    """What one discovery method found, or why it found nothing.

    Attributes:
        cohorts: those that have a rank and are judged.
        asked: False where the run did not ask for it, so that nobody need be told that it found nothing.
    """

    method: str
    applicable: bool
    reason: str
    cohorts: tuple[FrozenCohort, ...]
    asked: bool = True
    aside: tuple[Aside, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of all cohorts, in the order that the frozen rule counts them in."""
        return (*(cohort.cohort for cohort in self.cohorts), *(aside.cohort for aside in self.aside))

    @property
    def unranked(self) -> tuple[str, ...]:
        """Cohorts that are judged too where they are large enough: nobody is overlooked since discovery had too few."""
        return tuple(aside.cohort for aside in self.aside if aside.cohort == SMALLER)

    @property
    def comparable(self) -> bool:
        """Whether there are two cohorts to compare."""
        return self.applicable and len(self.cohorts) >= 2

    @property
    def ranked(self) -> tuple[str, ...]:
        """Names, worst WER on discover speakers first. This order never follows the speakers it is measured on."""
        return tuple(cohort.cohort for cohort in sorted(self.cohorts, key=lambda one: (-one.discover_wer, one.cohort)))

    @property
    def bottom(self) -> str:
        """The worst cohort on discover speakers."""
        return self.ranked[0]

    @property
    def top(self) -> str:
        """The best cohort on discover speakers, which every other is compared with."""
        return self.ranked[-1]

    def rule(self, cohort: str) -> str:
        """The human-readable rule of a cohort."""
        rules = {one.cohort: one.rule for one in self.aside} | {one.cohort: one.rule for one in self.cohorts}
        return rules[cohort]

    def to_json(self) -> dict[str, Any]:
        """An entry of methods.json."""
        return {"applicable": self.applicable, "asked": self.asked, "reason": self.reason,
                "cohorts": [asdict(cohort) for cohort in self.cohorts],
                "aside": [asdict(aside) for aside in self.aside],
                "bottom": self.bottom if self.comparable else None, "top": self.top if self.comparable else None}


def read_partition(method: str, content: Mapping[str, Any], source: str) -> Partition:
    """Read an entry of methods.json, or a description.json.

    Raises:
        ArtifactError: a name is missing, a cohort comes twice, or a number is not one.
    """
    try:
        cohorts = tuple(FrozenCohort(cohort=str(row["cohort"]), rule=str(row["rule"]),
                                     discover_speakers=int(row["discover_speakers"]),
                                     discover_words=int(row["discover_words"]),
                                     discover_wer=float(row["discover_wer"])) for row in content["cohorts"])
        partition = Partition(method=method, applicable=bool(content["applicable"]), reason=str(content["reason"]),
                              cohorts=cohorts, asked=bool(content["asked"]),
                              # earlier runs, which may be watched, had none
                              aside=tuple(Aside(cohort=str(row["cohort"]), rule=str(row["rule"]))
                                          for row in content.get("aside", ())))
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(name=f"{source}, method {method!r}", rule="describe each cohort by name, rule and figures",
                            value=f"{type(error).__name__}: {error}", action="Run the discover stage again.") from error
    _check_names(partition, source)
    return partition


def _check_names(partition: Partition, source: str) -> None:
    names = partition.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ArtifactError(name=f"{source}, method {partition.method!r}", rule="name each cohort once",
                            value=f"{twice[0]!r} twice", action="Run the discover stage again.")
    for cohort in partition.cohorts:
        if not 0 <= cohort.discover_wer < float("inf"):
            raise ArtifactError(name=f"{source}, cohort {cohort.cohort!r}", rule="have a WER on discover speakers",
                                value=cohort.discover_wer, action="Run the discover stage again.")
