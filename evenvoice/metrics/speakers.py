"""Per-speaker tables: hypotheses of every model, joined with the cohorts of every method.

Shapes: S speakers of one split, M models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evenvoice.data.coded import Coded, Strings, strings_of
from evenvoice.data.schemas import COHORTS, HYPOTHESES
from evenvoice.data.tables import read_table, write_table
from evenvoice.errors import ArtifactError
from evenvoice.metrics.bootstrap import Integers, Mask, SpeakerTable
from evenvoice.metrics.partitions import partition_folder

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
        return self.coded(method).holding(cohort)

    def coded(self, method: str) -> Coded:
        """The cohorts of one method as numbers."""
        if method not in self._coded:
            self._coded[method] = Coded.of(self.cohorts[method])
        return self._coded[method]

    @cached_property
    def _coded(self) -> dict[str, Coded]:
        """Methods that were asked for: a cohort of a million speakers is looked up many times."""
        return {}

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
    heard = {model: _counted(read_table(path, HYPOTHESES, list(COUNTED))) for model, path in paths.items()}
    labels = _labels(cohorts, methods)
    return {split: _split(split, {model: _rows_of(heard[model], split, str(paths[model])) for model in splits[split]},
                          labels) for split in splits}


def join_split(split: str, heard: Mapping[str, pa.Table], *, cohorts: Path, methods: Sequence[str]) -> SplitTable:
    """As :func:`read_splits` for one split and HYPOTHESES tables at hand, by the names of their models."""
    counted = {model: _rows_of(_counted(table.select(list(COUNTED))), split, model) for model, table in heard.items()}
    return _split(split, counted, _labels(cohorts, methods))


def _counted(table: pa.Table) -> pa.Table:
    errors = pc.add(pc.add(table["substitutions"], table["deletions"]), table["insertions"])
    return table.select(["split", *HEARD_BY_ALL]).append_column("errors", errors)


def _rows_of(table: pa.Table, split: str, source: str) -> pa.Table:
    return _in_order(table.filter(pc.equal(table["split"], split)), "utterance", source)


def _in_order(table: pa.Table, key: str, source: str) -> pa.Table:
    """The rows of one split in the order of ``key``, which has to tell them apart."""
    ordered = table.sort_by(key)
    keys = ordered[key]
    again = keys.slice(1).filter(pc.equal(keys.slice(1), keys.slice(0, max(0, len(keys) - 1))))
    if len(again):
        raise ArtifactError(name=source, rule=f"hold each {key} of a split once",
                            value=f"{again[0].as_py()!r} {pc.sum(pc.equal(keys, again[0])).as_py()} times",
                            action="Delete it and run the stage that writes it again.")
    return ordered


def _split(split: str, heard: Mapping[str, pa.Table], labels: Mapping[str, tuple[str, pa.Table]]) -> SplitTable:
    first = next(iter(heard))
    for model, table in heard.items():
        if not table.select(HEARD_BY_ALL).equals(heard[first].select(HEARD_BY_ALL)):
            raise ArtifactError(name=f"hypotheses of {model!r} on {split}",
                                rule=f"be about the recordings that {first!r} transcribed",
                                value=f"{table.num_rows} recordings, not the same {heard[first].num_rows}",
                                action="Run the transcribe stage of both again.")
    sums = {model: table.group_by("speaker").aggregate([("words", "sum"), ("errors", "sum")]).sort_by("speaker")
            for model, table in heard.items()}
    speakers = sums[first]["speaker"]
    return SplitTable(
        split=split, speakers=strings_of(speakers), words=_integers(sums[first]["words_sum"]),
        errors={model: _integers(table["errors_sum"]) for model, table in sums.items()},
        cohorts=_placed(speakers, split, labels))


def _integers(column: pa.ChunkedArray) -> Integers:
    return np.asarray(column.to_numpy(), dtype=np.int64)


def _labels(cohorts: Path, methods: Sequence[str]) -> dict[str, tuple[str, pa.Table]]:
    """By method: where who is in which cohort was read, and what it says."""
    paths = {method: partition_folder(cohorts, method) / "cohorts.parquet" for method in methods}
    return {method: (str(path), read_table(path, COHORTS)) for method, path in paths.items()}


def _placed(speakers: pa.ChunkedArray, split: str, labels: Mapping[str, tuple[str, pa.Table]]) -> dict[str, Strings]:
    """Method -> cohort (S,) of each speaker."""
    found: dict[str, Strings] = {}
    listed, rows_S = None, None
    for method, (source, table) in labels.items():
        placed = table.filter(pc.equal(table["split"], split))
        if listed is None or not placed["speaker"].equals(listed):
            # methods list speakers in one order, so they are mostly looked up once
            listed, rows_S = placed["speaker"], _rows(speakers, placed, split, method, source)
        found[method] = strings_of(placed["cohort"].take(rows_S))
    return found


def _rows(speakers: pa.ChunkedArray, placed: pa.Table, split: str, method: str, source: str) -> pa.ChunkedArray:
    """Row (S,) of each speaker among those that a method has placed."""
    _in_order(placed.select(["speaker"]), "speaker", source)
    rows_S = pc.index_in(speakers, value_set=placed["speaker"])
    if rows_S.null_count:
        raise ArtifactError(name=f"cohorts of {method!r}", rule="name every speaker of every split, placed or not",
                            value=f"nothing about {speakers.filter(rows_S.is_null())[0]} of {split}",
                            action="Run the discover stage again.")
    return rows_S


def write_speakers(path: Path, tables: Iterable[SplitTable], methods: Sequence[str]) -> None:
    """Write speakers.parquet: one row per model, split and speaker, and one column per method."""
    write_table(path, pa.concat_tables([_speaker_rows(table, model, methods)
                                        for table in tables for model in table.models]))


def _speaker_rows(table: SplitTable, model: str, methods: Sequence[str]) -> pa.Table:
    size = len(table.speakers)
    columns = {"model": pa.repeat(model, size), "split": pa.repeat(table.split, size), "speaker": table.speakers,
               "words": table.words, "errors": table.errors[model]}
    columns |= {method: table.cohorts[method] for method in methods}
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
    models = {model: _in_order(table.filter(pc.equal(table["model"], model)), "speaker", str(path))
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
    return SplitTable(split=split, speakers=strings_of(models[first]["speaker"]),
                      words=_integers(models[first]["words"]),
                      errors={model: _integers(rows["errors"]) for model, rows in models.items()},
                      cohorts={method: strings_of(models[first][method]) for method in methods})
