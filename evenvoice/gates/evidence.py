"""What the gate is given, and the refusal of anything it must not judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from evenvoice.data.schemas import SAVING
from evenvoice.data.tables import read_table
from evenvoice.errors import ArtifactError, GateError
from evenvoice.metrics.bootstrap import SpeakerTable
from evenvoice.metrics.healing import Healed, read_healed
from evenvoice.metrics.partitions import Partition, columns_of, method_of, read_partition
from evenvoice.metrics.speakers import SplitTable, read_speakers
from evenvoice.origins import ORIGINS, Origin, Origins
from evenvoice.params import AMORTIZED, BASE, DENSE, METHODS
from evenvoice.saving.timed import WAYS
from evenvoice.storage import read_json


class Sources(Protocol):
    """What figures come from: models of a run, or files of anybody's."""

    def to_json(self) -> dict[str, Any]:
        """By name and digest."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the gate judges.

    Attributes:
        test: errors of base and challenger on test speakers.
        partitions: what each discovery method froze, also those that found nothing.
        labelled: what the speech is called, as summary.json of the corpus has it.
        speakers_overlap: test speakers were also trained on, so nothing about new speakers can be shown.
        origins: what the figures of base and challenger come from.
        healed: what the evaluation says of the challenger's changes; no verdict depends on it.
        wanted: whose speech would heal it, as wanted.json has it; no verdict depends on it.
        saving: times of the amortized model beside its dense control, as saving.json has them; None for other
            challengers.
    """

    test: SplitTable
    partitions: tuple[Partition, ...]
    challenger: str
    labelled: str
    speakers_overlap: bool
    origins: Sources
    healed: Healed | None = None
    wanted: Mapping[str, Any] | None = None
    saving: Mapping[str, Any] | None = None
    base: str = BASE

    @property
    def judged(self) -> tuple[str, ...]:
        """The models whose errors are needed."""
        return (self.base, self.challenger, *((DENSE,) if self.saving is not None else ()))

    def cohorts_of(self, partition: Partition, min_speakers: int) -> tuple[str, ...]:
        """Which of its cohorts are judged: those with a rank, and those without one that are large enough.

        None where these are no two: a method that found no split has nothing to decide.
        """
        if not partition.applicable:
            return ()
        large = [cohort for cohort in partition.unranked
                 if np.count_nonzero(self.test.words[self.test.members(partition.method, cohort)]) >= min_speakers]
        cohorts = (*partition.ranked, *large)
        return cohorts if partition.cohorts and len(cohorts) > 1 else ()


def read_evidence(*, evaluation: Path, corpus: Path, models: Path, wanted: Path) -> Evidence:
    """Read what the evaluate and ingest stages wrote about the models in ``models``.

    Raises:
        ArtifactError: a file is missing or broken, or the figures are those of other models.
        GateError: a file lacks what the gate has to know.
    """
    selection, summary = read_json(evaluation / "selection.json"), read_json(corpus / "summary.json")
    methods = read_json(evaluation / "methods.json")
    names = _partition_names(methods, evaluation / "methods.json")
    overlap = _needed(summary, "speakers_overlap", corpus / "summary.json")
    if not isinstance(overlap, bool):
        raise GateError(name=f"speakers_overlap in {corpus / 'summary.json'}", rule="be true or false", value=overlap,
                        action="Run the ingest stage again.")
    challenger = str(_needed(selection, "challenger", evaluation / "selection.json"))
    labelled = str(_needed(summary, "labelled", corpus / "summary.json"))
    origins = Origins.read(read_json(evaluation / ORIGINS), str(evaluation / ORIGINS)).only(
        (BASE, challenger, *((DENSE,) if challenger == AMORTIZED else ())))
    origins.demand_models(models, source=str(evaluation), stage="evaluate")
    return Evidence(
        test=read_speakers(evaluation / "speakers.parquet", "test", names),
        partitions=tuple(read_partition(name, methods[name], "methods.json") for name in names),
        challenger=challenger, labelled=labelled, speakers_overlap=overlap, origins=origins,
        healed=None if challenger == AMORTIZED else read_healed(evaluation, selection), wanted=_wanted(wanted, origins),
        saving=_saving(evaluation) if challenger == AMORTIZED else None)


def _saving(evaluation: Path) -> Mapping[str, Any]:
    content: dict[str, Any] = read_json(evaluation / "saving.json")
    rows = read_table(evaluation / "saving.parquet", SAVING).to_pylist()
    everyone = next((row for row in rows if row["split"] == "test" and row["method"] == row["cohort"]), None)
    if everyone is None or not all(way in content for way in WAYS):
        raise GateError(name=str(evaluation / "saving.json"), rule="say what the amortized model saves",
                        value="nothing", action="Run the evaluate stage again.")
    return {**content, "executed_share": everyone["executed_share"]}


def _wanted(path: Path, origins: Origins) -> Mapping[str, Any]:
    content: dict[str, Any] = read_json(path)
    origin = Origin.read(content.pop("origin", None), f"{path}, origin")
    if origin.model != origins.models[BASE] or origin.features != origins.features:
        raise ArtifactError(name=str(path), rule="come from the base model and the features that are judged",
                            value="others", action="Run wanted again: make run FORCE_STAGE=wanted.")
    return content


def _partition_names(content: Any, source: Path) -> tuple[str, ...]:
    """Those of each method, which has one at least: by single columns before their crossings."""
    for method in METHODS:
        if method not in map(method_of, content):
            _needed(content, method, source)
    unknown = [name for name in content if method_of(name) not in METHODS]
    if unknown:
        raise GateError(name=str(source), rule="tell of methods that there are", value=unknown[0],
                        action="Run the stage that writes it again.")
    return tuple(sorted(content, key=lambda name: (METHODS.index(method_of(name)), len(columns_of(name)), name)))


def _needed(content: Any, name: str, source: Path) -> Any:
    if not isinstance(content, dict) or name not in content:
        raise GateError(name=str(source), rule=f"say {name!r}", value="nothing about it",
                        action="Run the stage that writes it again.")
    return content[name]


def check(evidence: Evidence) -> None:
    """Refuse incomplete or contradictory evidence.

    Raises:
        GateError: a model or method is missing, a count is NaN or negative, a speaker comes twice or not at all, or a
            cohort was not known when cohorts were frozen.
    """
    test = evidence.test
    for model in evidence.judged:
        if model not in test.errors:
            raise GateError(name=f"model {model!r}", rule="have errors on test speakers", value="none",
                            action="Run the transcribe and evaluate stages again.")
        try:
            SpeakerTable(test.errors[model], test.words)
        except ArtifactError as error:
            raise GateError(name=f"{error.name} ({model})", rule=error.rule, value=error.value,
                            action=error.action) from error
    if not 0 < len(set(test.speakers)) == len(test.speakers) == len(test.words):
        raise GateError(name="test speakers", rule="each come once", value=f"{len(test.speakers)} rows",
                        action="Run the evaluate stage again.")
    for partition in evidence.partitions:
        if partition.applicable:
            _check_cohorts(test, partition)


def _check_cohorts(test: SplitTable, partition: Partition) -> None:
    if partition.method not in test.cohorts:
        raise GateError(name=f"method {partition.method!r}", rule="place the test speakers", value="no cohorts of them",
                        action="Run the discover and evaluate stages again.")
    unknown = {cohort for cohort in test.cohorts[partition.method] if cohort is not None} - set(partition.names)
    if unknown:
        raise GateError(name=f"cohort {min(unknown)!r} of method {partition.method!r}",
                        rule="have been known when cohorts were frozen", value="a new one",
                        action="Run the discover and evaluate stages again.")
