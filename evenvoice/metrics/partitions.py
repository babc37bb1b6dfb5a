"""Cohorts as discovery froze them: which there are, how each is told apart, and who was best and worst."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from evenvoice.errors import ArtifactError


@dataclass(frozen=True, kw_only=True)
class FrozenCohort:
    """One cohort, with the base model's WER on its discover speakers."""

    cohort: str
    rule: str
    discover_speakers: int
    discover_words: int
    discover_wer: float


@dataclass(frozen=True, kw_only=True)
class Partition:
    """What one discovery method found, or why it found nothing.

    Attributes:
        asked: False where the run did not ask for it, so that nobody need be told that it found nothing.
    """

    method: str
    applicable: bool
    reason: str
    cohorts: tuple[FrozenCohort, ...]
    asked: bool = True

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
        return next(one.rule for one in self.cohorts if one.cohort == cohort)

    def to_json(self) -> dict[str, Any]:
        """An entry of methods.json."""
        return {"applicable": self.applicable, "asked": self.asked, "reason": self.reason,
                "cohorts": [asdict(cohort) for cohort in self.cohorts],
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
                              cohorts=cohorts, asked=bool(content["asked"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(name=f"{source}, method {method!r}", rule="describe each cohort by name, rule and figures",
                            value=f"{type(error).__name__}: {error}", action="Run the discover stage again.") from error
    _check_names(partition, source)
    return partition


def _check_names(partition: Partition, source: str) -> None:
    names = [cohort.cohort for cohort in partition.cohorts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ArtifactError(name=f"{source}, method {partition.method!r}", rule="name each cohort once",
                            value=f"{twice[0]!r} twice", action="Run the discover stage again.")
    for cohort in partition.cohorts:
        if not 0 <= cohort.discover_wer < float("inf"):
            raise ArtifactError(name=f"{source}, cohort {cohort.cohort!r}", rule="have a WER on discover speakers",
                                value=cohort.discover_wer, action="Run the discover stage again.")
