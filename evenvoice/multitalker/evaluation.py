"""What was heard in mixtures beside what was said: errors, times, groups, and how sure all of it is.

Groups are ranked on validate speakers and measured on test speakers. Nothing is hidden here: small groups are left out
where figures are published (evenvoice.multitalker.publication).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from evenvoice.data.schemas import ENDPOINTING, GROUPED, MIXTURE_ERRORS, SPOKEN_TURNS, TURN_RATES
from evenvoice.data.tables import rows_table, write_table
from evenvoice.metrics.partitions import partition_folder
from evenvoice.multitalker.belonging import origins_of
from evenvoice.multitalker.comparing import Row, compare
from evenvoice.multitalker.endpointing import endpointing_rows
from evenvoice.multitalker.evidence import CHALLENGER
from evenvoice.multitalker.examples import examples
from evenvoice.multitalker.figures import Figures
from evenvoice.multitalker.groups import groupings_of, read_groups
from evenvoice.multitalker.heard import MODELS, SPLITS, TURNS_FILE, HeardBy, Said, read_heard, said_in
from evenvoice.multitalker.resampling import Outcomes, TurnBootstrap
from evenvoice.multitalker.store import MixtureStore
from evenvoice.origins import ORIGINS
from evenvoice.params import Evaluate, EvaluateMultitalker
from evenvoice.progress import Progress
from evenvoice.storage import fresh_directory, write_json
from evenvoice.verification.groups import LABELLED

STREAM: Final = 0x6D74616C
"""Keeps these random numbers apart from those that other stages draw from the same seed."""
SPEAKERS_FILE: Final = "speakers.parquet"
Key = tuple[str, str]
"""Model and split."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the figures.

    Attributes:
        min_speakers: test speakers that a group needs to be judged.
        n_mels, hop_ms: of the features of mixtures.
    """

    evaluate: Evaluate
    multitalker: EvaluateMultitalker
    min_speakers: int
    n_mels: int
    hop_ms: float
    seed: int


def evaluate(*, mixtures: Path, turns: Path, models: Path, base_model: Path, corpus: Path, cohorts: Path, method: str,
             out: Path, settings: Settings, progress: Progress) -> None:
    """Write every table of the evaluation, or none.

    Args:
        mixtures: what was said; where it has a table of speakers, that one declares groups.
        turns: what was heard in them.
        models: with a directory for the recogniser of several talkers.
        base_model: what that one was made from.
        corpus: what is declared of speakers.
        cohorts: with a directory for ``method``.
        out: directory to write.
        progress: a step for each mixture and model.

    Raises:
        ArtifactError: an input is missing or broken, or they do not belong together.
        CorpusError: a mixture is too long for ORC-WER.
    """
    origins = origins_of(turns=turns, models=models, base_model=base_model, mixtures=mixtures,
                         cohorts=partition_folder(cohorts, method))
    store = MixtureStore.open(mixtures, settings.n_mels)
    said = {split: said_in(store, split) for split in SPLITS}
    everything = [one for split in SPLITS for one in said[split]]
    heard = read_heard(turns / TURNS_FILE, everything)
    spoken, errors = _compared(everything, heard, settings.multitalker.cut_tolerance_s, progress)
    outcomes = {key: Outcomes.of(spoken[key], errors[key]) for key in spoken}
    labels = read_groups(cohorts=cohorts, method=method, columns=settings.multitalker.columns, mixtures=everything,
                         corpus=mixtures if (mixtures / SPEAKERS_FILE).is_file() else corpus)
    groupings = groupings_of(labels, {split: outcomes[CHALLENGER, split].served for split in SPLITS},
                             settings.min_speakers)
    tested = {model: outcomes[model, "test"] for model in MODELS}
    figures = Figures(TurnBootstrap(len(tested[CHALLENGER].served.speakers), settings.evaluate.replicates,
                                    np.random.default_rng([settings.seed, STREAM])), settings.evaluate.confidence)
    rates = [row for model in MODELS for row in figures.rates(model, tested[model], groupings, labels, "test")]
    endings = endpointing_rows(store, validate=said["validate"], test=said["test"], spoken=spoken[CHALLENGER, "test"],
                               hop_s=settings.hop_ms / 1000, cut_tolerance_s=settings.multitalker.cut_tolerance_s)
    with fresh_directory(out) as draft:
        write_table(draft / "spoken.parquet", rows_table(_joined(spoken), SPOKEN_TURNS))
        write_table(draft / "mixtures.parquet", rows_table(_joined(errors), MIXTURE_ERRORS))
        write_table(draft / "rates.parquet", rows_table(rates, TURN_RATES))
        write_table(draft / "endpointing.parquet", rows_table(endings, ENDPOINTING))
        write_table(draft / LABELLED, rows_table([dict(row) for row in labels.rows()], GROUPED))
        write_json(draft / "groupings.json", {one.name: one.to_json() for one in groupings})
        write_json(draft / "figures.json", {model: figures.whole(tested[model]) for model in MODELS})
        write_json(draft / "examples.json", examples(said["test"], heard[CHALLENGER]))
        write_json(draft / ORIGINS, origins)


def _compared(mixtures: Sequence[Said], heard: HeardBy, cut_tolerance_s: float, progress: Progress
              ) -> tuple[dict[Key, list[Row]], dict[Key, list[Row]]]:
    """Rows of the SPOKEN_TURNS and of the MIXTURE_ERRORS table."""
    spoken: dict[Key, list[Row]] = {(model, split): [] for model in MODELS for split in SPLITS}
    errors: dict[Key, list[Row]] = {key: [] for key in spoken}
    progress.total, progress.unit = len(MODELS) * len(mixtures), "mixture"
    for model, one in progress.over([(model, one) for model in MODELS for one in mixtures]):
        turns, mixture = compare(model, one, heard[model][one.name], cut_tolerance_s)
        spoken[model, one.split] += turns
        errors[model, one.split].append(mixture)
    return spoken, errors


def _joined(rows: Mapping[Key, Sequence[Row]]) -> list[dict[str, Any]]:
    return [row for of in rows.values() for row in of]
