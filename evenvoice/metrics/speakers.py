"""Per-speaker tables: hypotheses of every model, joined with the cohorts of every method.

Shapes: S speakers of one split, M models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenvoice.data.schemas import COHORTS, HYPOTHESES
from evenvoice.data.tables import read_table, write_table
from evenvoice.errors import ArtifactError
from evenvoice.metrics.bootstrap import Integers, Mask, SpeakerTable
from evenvoice.metrics.partitions import partition_folder

Strings = NDArray[np.object_]
COUNTED: Final = ("utterance", "speaker", "split", "words", "substitutions", "deletions", "insertions")
HEARD_BY_ALL: Final = ("utterance", "speaker", "words")


@dataclass(frozen=True, eq=False, kw_only=True)
class SplitTable:
    """Everyone of one split, in the order of their names.

    Attributes:
        words: (S,) reference words, the same for every model.
        errors: model -> (S,).
        cohorts: method -> (S,) names; None where the method cannot place the speaker.
    """

    split: str
    speakers: Strings
    words: Integers
    errors: Mapping[str, Integers]
    cohorts: Mapping[str, Strings]

    @property
    def models(self) -> tuple[str, ...]:
        """Models that transcribed this split."""
        return tuple(self.errors)

    @property
    def error_matrix(self) -> Integers:
        """(S, M) errors, models in the order of :attr:`models`."""
        return np.column_stack([self.errors[model] for model in self.models])

    @property
    def everyone(self) -> Mask:
        """(S,) true."""
        return np.ones(len(self.speakers), dtype=bool)

    def members(self, method: str, cohort: str) -> Mask:
        """(S,) whether a speaker is in the cohort."""
        return np.asarray(self.cohorts[method] == cohort, dtype=bool)

    def table(self, model: str, members_S: Mask | None = None) -> SpeakerTable:
        """One model's counts, of everyone unless ``members_S`` says of whom."""
        members = self.everyone if members_S is None else members_S
        return SpeakerTable(self.errors[model][members], self.words[members])


def read_splits(*, hypotheses: Path, cohorts: Path, methods: Sequence[str],
                splits: Mapping[str, Sequence[str]]) -> dict[str, SplitTable]:
    """Join what the models wrote with who is in which cohort.

    Args:
        hypotheses: directory with one directory per model.
        cohorts: directory with one directory per method.
        splits: split -> models that transcribed it.

    Raises:
        ArtifactError: a recording or speaker comes twice, models transcribed different recordings, or a speaker is
            unknown to a method.
    """
    models = dict.fromkeys(model for models in splits.values() for model in models)
    paths = {model: hypotheses / model / "hypotheses.parquet" for model in models}
    heard = {model: _counted(read_table(path, HYPOTHESES, list(COUNTED)), str(path)) for model, path in paths.items()}
    labels = {method: _labels(partition_folder(cohorts, method) / "cohorts.parquet") for method in methods}
    return {split: _split(split, {model: _rows_of(heard[model], split) for model in splits[split]}, labels)
            for split in splits}


def join_split(split: str, heard: Mapping[str, pa.Table], *, cohorts: Path, methods: Sequence[str]) -> SplitTable:
    """As :func:`read_splits` for one split and HYPOTHESES tables at hand, by the names of their models."""
    labels = {method: _labels(partition_folder(cohorts, method) / "cohorts.parquet") for method in methods}
    counted = {model: _rows_of(_counted(table.select(list(COUNTED)), model), split) for model, table in heard.items()}
    return _split(split, counted, labels)


def _counted(table: pa.Table, source: str) -> pa.Table:
    _refuse_repeats(table, ["split", "utterance"], source)
    errors = pc.add(pc.add(table["substitutions"], table["deletions"]), table["insertions"])
    return table.select(["split", *HEARD_BY_ALL]).append_column("errors", errors)


def _rows_of(table: pa.Table, split: str) -> pa.Table:
    return table.filter(pc.equal(table["split"], split)).sort_by("utterance")


def _refuse_repeats(table: pa.Table, key: list[str], source: str) -> None:
    counted = table.group_by(key).aggregate([([], "count_all")])
    repeated = counted.filter(pc.greater(counted["count_all"], 1)).to_pylist()
    if repeated:
        raise ArtifactError(name=source, rule=f"hold each {key[-1]} of a split once",
                            value=f"{repeated[0][key[-1]]!r} {repeated[0]['count_all']} times",
                            action="Delete it and run the stage that writes it again.")


def _split(split: str, heard: Mapping[str, pa.Table], labels: Mapping[str, Mapping[tuple[str, str], str | None]]
           ) -> SplitTable:
    first = next(iter(heard))
    for model, table in heard.items():
        if not table.select(HEARD_BY_ALL).equals(heard[first].select(HEARD_BY_ALL)):
            raise ArtifactError(name=f"hypotheses of {model!r} on {split}",
                                rule=f"be about the recordings that {first!r} transcribed",
                                value=f"{table.num_rows} recordings, not the same {heard[first].num_rows}",
                                action="Run the transcribe stage of both again.")
    sums = {model: table.group_by("speaker").aggregate([("words", "sum"), ("errors", "sum")]).sort_by("speaker")
            for model, table in heard.items()}
    speakers = np.array(sums[first]["speaker"].to_pylist(), dtype=object)
    return SplitTable(
        split=split, speakers=speakers, words=_integers(sums[first]["words_sum"]),
        errors={model: _integers(table["errors_sum"]) for model, table in sums.items()},
        cohorts={method: _place(speakers, split, method, of) for method, of in labels.items()})


def _integers(column: pa.ChunkedArray) -> Integers:
    return np.asarray(column.to_numpy(), dtype=np.int64)


def _labels(path: Path) -> dict[tuple[str, str], str | None]:
    table = read_table(path, COHORTS)
    _refuse_repeats(table, ["split", "speaker"], str(path))
    return {(row["split"], row["speaker"]): row["cohort"] for row in table.to_pylist()}


def _place(speakers: Strings, split: str, method: str, labels: Mapping[tuple[str, str], str | None]) -> Strings:
    unknown = [speaker for speaker in speakers if (split, speaker) not in labels]
    if unknown:
        raise ArtifactError(name=f"cohorts of {method!r}", rule="name every speaker of every split, placed or not",
                            value=f"nothing about {unknown[0]} of {split}", action="Run the discover stage again.")
    return np.array([labels[split, speaker] for speaker in speakers], dtype=object)


def write_speakers(path: Path, tables: Iterable[SplitTable], methods: Sequence[str]) -> None:
    """Write speakers.parquet: one row per model, split and speaker, and one column per method."""
    write_table(path, pa.concat_tables([_speaker_rows(table, model, methods)
                                        for table in tables for model in table.models]))


def _speaker_rows(table: SplitTable, model: str, methods: Sequence[str]) -> pa.Table:
    size = len(table.speakers)
    columns: dict[str, Any] = {"model": [model] * size, "split": [table.split] * size, "speaker": list(table.speakers),
                               "words": table.words, "errors": table.errors[model]}
    columns |= {method: list(table.cohorts[method]) for method in methods}
    return pa.table(columns, schema=speakers_schema(methods))


def speakers_schema(methods: Sequence[str]) -> pa.Schema:
    """Columns of speakers.parquet."""
    return pa.schema([pa.field("model", pa.string(), nullable=False), pa.field("split", pa.string(), nullable=False),
                      pa.field("speaker", pa.string(), nullable=False), pa.field("words", pa.int64(), nullable=False),
                      pa.field("errors", pa.int64(), nullable=False),
                      *(pa.field(method, pa.string()) for method in methods)])


def read_speakers(path: Path, split: str, methods: Sequence[str]) -> SplitTable:
    """Read one split of speakers.parquet.

    Raises:
        ArtifactError: missing, another schema, a speaker twice, or models with different speakers, words or cohorts.
    """
    table = read_table(path, speakers_schema(methods))
    table = table.filter(pc.equal(table["split"], split))
    _refuse_repeats(table, ["model", "speaker"], str(path))
    models = {model: table.filter(pc.equal(table["model"], model)).sort_by("speaker")
              for model in table["model"].unique().to_pylist()}
    if not models:
        raise ArtifactError(name=str(path), rule=f"hold speakers of {split}", value="none",
                            action="Run the evaluate stage again.")
    first = next(iter(models))
    shared = ["speaker", "words", *methods]
    for model, rows in models.items():
        if not rows.select(shared).equals(models[first].select(shared)):
            raise ArtifactError(name=f"{path}, model {model!r}", rule=f"have the speakers and words of {first!r}",
                                value="others", action="Run the evaluate stage again.")
    return SplitTable(split=split, speakers=np.array(models[first]["speaker"].to_pylist(), dtype=object),
                      words=_integers(models[first]["words"]),
                      errors={model: _integers(rows["errors"]) for model, rows in models.items()},
                      cohorts={method: np.array(models[first][method].to_pylist(), dtype=object)
                               for method in methods})
