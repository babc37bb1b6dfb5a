"""Made tables of errors, where the truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evenvoice.data.schemas import COARSER, COHORTS, HYPOTHESES, WORK
from evenvoice.data.tables import rows_table, write_table
from evenvoice.metrics.partitions import Aside, FrozenCohort, Partition, columns_of, partition_folder
from evenvoice.metrics.speakers import SplitTable
from evenvoice.origins import ORIGIN, WORKED, model_digest
from evenvoice.params import SAVINGS
from evenvoice.storage import write_json
from tests.builders.origins import write_identity

EVEN = (1.0,)
UNEVEN = (0.6, 0.8, 1.0, 1.2, 1.4)
"""Speakers differ: their WER is the cohort's times one of these, in turn."""


@dataclass(frozen=True)
class Made:
    """A cohort as it is to be: so many speakers, each with so many words, at this WER on average."""

    speakers: int
    wer: float
    words: int = 200
    factors: Sequence[float] = UNEVEN

    def errors(self, factor: float = 1.0) -> list[int]:
        """Errors of each speaker, all scaled by ``factor``."""
        return [round(self.words * self.wer * factor * self.factors[i % len(self.factors)])
                for i in range(self.speakers)]


def made_split(cohorts: Mapping[str, Made], arms: Mapping[str, float | Mapping[str, float]] | None = None, *,
               split: str = "test", method: str = "geographic") -> SplitTable:
    """One split under one method.

    Args:
        arms: model -> its errors relative to the base's, for everyone or per cohort.
    """
    labels = [name for name, cohort in cohorts.items() for _ in range(cohort.speakers)]
    errors = {"base": [count for cohort in cohorts.values() for count in cohort.errors()]}
    for model, factor in (arms or {}).items():
        errors[model] = [count for name, cohort in cohorts.items()
                         for count in cohort.errors(factor[name] if isinstance(factor, Mapping) else factor)]
    return SplitTable(split=split, speakers=np.array([f"s{i:05d}" for i in range(len(labels))], dtype=object),
                      words=np.array([made.words for made in cohorts.values() for _ in range(made.speakers)]),
                      errors={model: np.array(counts) for model, counts in errors.items()},
                      cohorts={method: np.array(labels, dtype=object)})


def made_partition(discover_wer: Mapping[str, float], method: str = "geographic", aside: Sequence[str] = ()
                   ) -> Partition:
    """A partition whose cohorts had these WERs on discover speakers; those ``aside`` are not judged."""
    return Partition(method=method, applicable=True, reason="made for a test", cohorts=tuple(
        FrozenCohort(cohort=name, rule=f"rule of {name}", discover_speakers=30, discover_words=6000, discover_wer=wer)
        for name, wer in discover_wer.items()),
                     aside=tuple(Aside(name, f"rule of {name}") for name in aside))


def no_partition(method: str, reason: str = "nobody has a location", *, asked: bool = True) -> Partition:
    """A method that does not apply."""
    return Partition(method=method, applicable=False, reason=reason, cohorts=(), asked=asked)


def write_hypotheses(directory: Path, model: str, rows: Sequence[tuple[str, str, str, int, int]]) -> None:
    """hypotheses.parquet of one model from (split, speaker, utterance, words, errors); the model lies beside them."""
    write_json(directory / model / ORIGIN, write_identity(directory.parent / "models", model).to_json())
    write_table(directory / model / "hypotheses.parquet", rows_table([
        {"utterance": utterance, "speaker": speaker, "split": split, "reference": "w " * words, "hypothesis": "",
         "words": words, "substitutions": errors, "deletions": 0, "insertions": 0, "duration_s": 1.0}
        for split, speaker, utterance, words, errors in rows], HYPOTHESES))


def write_work(directory: Path, model: str, rows: Sequence[tuple[str, str, str, float]]) -> None:
    """work.parquet of one model from (split, speaker, utterance, executed share)."""
    write_table(directory / model / WORKED, rows_table([
        {"utterance": utterance, "speaker": speaker, "split": split, "executed": 1000 * share, "dense": 1000.0,
         "executed_in_silence": 0.0, "dense_in_silence": 0.0} for split, speaker, utterance, share in rows], WORK))


def write_timing(path: Path, models: Path, ratio: float = 0.6) -> None:
    """What the timing stage says of the amortized model in ``models`` and its control."""
    way = {"audio_s": 60.0, "reference_rtf": 0.1, "rtf": 0.1 * ratio, "ratio": ratio, "ratio_low": ratio - 0.05,
           "ratio_high": ratio + 0.05}
    write_json(path, {"stream": way, "batches": way,
                      "models": {name: model_digest(models / name) for name in SAVINGS}})


def write_coarser(directory: Path, counts: Sequence[Sequence[str]],
                  rows: Sequence[tuple[str, str, str | None]]) -> None:
    """coarser.parquet: one partition for each list of cohorts, in which the others join the last."""
    write_table(directory / "coarser.parquet", rows_table(
        [{"split": split, "speaker": speaker, "cohorts": len(names),
          "cohort": None if cohort is None else names.index(cohort) if cohort in names else len(names) - 1}
         for names in counts for split, speaker, cohort in rows], COARSER))


def write_cohorts(directory: Path, partition: Partition, rows: Sequence[tuple[str, str, str | None]]) -> None:
    """cohorts.parquet from (split, speaker, cohort), and description.json; the base model is made beside them."""
    origin = write_identity(directory.parent / "models", "base")
    folder = partition_folder(directory, partition.method)
    write_table(folder / "cohorts.parquet", rows_table(
        [{"split": split, "speaker": speaker, "cohort": cohort} for split, speaker, cohort in rows], COHORTS))
    found = partition.comparable and not columns_of(partition.method)
    write_coarser(folder, [partition.ranked] if found else [], rows)
    write_json(folder / "description.json",
               {"method": partition.method, "title": f"The method {partition.method}", "parameters": {}, "extra": {},
                "origin": origin.to_json(), **partition.to_json()})
