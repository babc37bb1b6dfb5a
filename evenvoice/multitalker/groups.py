"""Whose rates are told: cohorts that were discovered, groups that the corpus declares, and how fast people speak.

Which group is worst and which is best off is settled on validate speakers, by word errors of the turns that a model
heard; where fast speech begins too. The same groups are then looked at on test speakers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from evenvoice.data.schemas import COHORTS
from evenvoice.data.tables import read_table
from evenvoice.metrics.bootstrap import SpeakerTable
from evenvoice.metrics.partitions import partition_folder
from evenvoice.multitalker.heard import SPLITS, Said
from evenvoice.multitalker.served import Served
from evenvoice.multitalker.speaking import speech_s
from evenvoice.verification.groups import Grouping, Key, Labels, read_labels

PACE: Final = "pace"
PACES: Final = ("slow", "middle", "fast")


def read_groups(*, cohorts: Path, method: str, corpus: Path, columns: tuple[str, ...], mixtures: Iterable[Said]
                ) -> Labels:
    """Who of the speakers of mixtures is in which cohort of ``method``, in which declared group, and how fast.

    Args:
        cohorts: with a folder for the method.
        corpus: what is declared of speakers.
        mixtures: of both :data:`SPLITS`.

    Raises:
        ArtifactError: an input is missing or broken.
    """
    declared = read_labels(corpus=corpus, embeddings=corpus, columns=columns, clusters=0, seed=0).of
    of = {method: _cohorts(partition_folder(cohorts, method) / "cohorts.parquet"), **declared, PACE: paces(mixtures)}
    return Labels({name: {key: group for key, group in found.items() if key[1] in SPLITS}
                   for name, found in of.items()})


def _cohorts(path: Path) -> dict[Key, str]:
    return {(row["speaker"], row["split"]): row["cohort"] for row in read_table(path, COHORTS).to_pylist()
            if row["cohort"] is not None}


def paces(mixtures: Iterable[Said]) -> dict[Key, str]:
    """Slow, middle or fast, by words per second of speech; each a third of the validate speakers."""
    words: dict[Key, int] = defaultdict(int)
    seconds: dict[Key, float] = defaultdict(float)
    for one in mixtures:
        for turn in one.turns:
            words[turn.speaker, one.split] += turn.words
            seconds[turn.speaker, one.split] += speech_s(turn)
    pace = {key: words[key] / lasted_s for key, lasted_s in seconds.items() if lasted_s > 0}
    settled = [value for (_, split), value in pace.items() if split == "validate"]
    if not settled:
        return {}
    limits = np.quantile(settled, [1 / 3, 2 / 3])
    return {key: PACES[int(np.searchsorted(limits, value, side="right"))] for key, value in pace.items()}


def groupings_of(labels: Labels, served: Mapping[str, Served], min_speakers: int) -> tuple[Grouping, ...]:
    """Which groups of each grouping are judged, worst first.

    Args:
        served: of each of the :data:`SPLITS`, what the model that is judged heard.
        min_speakers: test speakers that a group needs.
    """
    return tuple(_grouping(name, labels, served, min_speakers) for name in labels.of)


def _grouping(name: str, labels: Labels, served: Mapping[str, Served], least: int) -> Grouping:
    groups = labels.groups(name)
    wers = {group: _wer(served["validate"], labels, name, group) for group in groups}
    large = [group for group in groups
             if labels.members(name, group, served["test"].speakers, "test").sum() >= least]
    judged = tuple(sorted((group for group in large if np.isfinite(wers[group])),
                          key=lambda group: (-wers[group], group)))
    return Grouping(name=name, judged=judged, aside=tuple(group for group in groups if group not in judged),
                    reason=_reason(groups, large, judged, least))


def _wer(served: Served, labels: Labels, name: str, group: str) -> float:
    """NaN without words."""
    members_S = labels.members(name, group, served.speakers, "validate")
    table = served.word_errors
    return SpeakerTable(table.errors[members_S], table.words[members_S]).wer if members_S.any() else float("nan")


def _reason(groups: Sequence[Any], large: Sequence[Any], judged: Sequence[Any], least: int) -> str:
    if not groups:
        return "it is known of no speaker"
    said = f"{len(large)} of {len(groups)} groups have at least {least} test speakers in mixtures"
    unranked = len(large) - len(judged)
    return f"{said}, {unranked} of them without validate speakers to rank them by" if unranked else said
