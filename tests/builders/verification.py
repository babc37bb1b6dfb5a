"""Scored trials of speakers whose voices are told apart better or worse, and a workspace up to the stage verify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from evenvoice.data.schemas import EMBEDDINGS, HEARD, SPEAKERS, TRIALS
from evenvoice.data.tables import rows_table, write_table
from evenvoice.storage import write_json
from evenvoice.verification.heard import Heard
from evenvoice.verification.resampling import Pairs
from evenvoice.verification.trials import RECORDINGS

GROUP = "gender"


def scored(groups: Sequence[float], *, speakers: int = 20, same: int = 6, seed: int = 0) -> Heard:
    """Trials within and across groups, a distance between both kinds of scores for each group.

    Scores are normal with deviation 1, so a distance d gives an equal error rate of the normal tail beyond d / 2. Of
    trials across groups the distance is the mean one.
    """
    rng = np.random.default_rng(seed)
    distance_S = np.repeat(np.array(groups, dtype=float), speakers)
    names = tuple(f"s{number:03d}" for number in range(len(distance_S)))
    own = np.repeat(np.arange(len(names)), same)
    one, other = np.triu_indices(len(names), k=1)
    first, second = np.concatenate([own, one]), np.concatenate([own, other])
    scores = rng.normal(0, 1, len(first)) + np.where(first == second, distance_S[first] / 2,
                                                     -(distance_S[first] + distance_S[second]) / 4)
    return Heard(names, Pairs(first, second), scores.astype(np.float32),
                 np.full(len(first), RECORDINGS, dtype=object))


def write_trials(directory: Path, heard: Mapping[str, Heard], origin: Mapping[str, str]) -> None:
    """What the stage verify writes."""
    tables = []
    for split, found in heard.items():
        names = np.array(found.speakers, dtype=object)
        tables.append(pa.table({
            "split": np.full(len(found.scores), split, dtype=object), "first_speaker": names[found.pairs.first],
            "second_speaker": names[found.pairs.second], "condition": found.conditions,
            "score": found.scores}, schema=TRIALS))
    directory.mkdir(parents=True, exist_ok=True)
    write_table(directory / "trials.parquet", pa.concat_tables(tables))
    write_json(directory / "origin.json", dict(origin))


def write_people(corpus: Path, embeddings: Path, names: Sequence[str], groups: Sequence[str], *, n: int = 4) -> None:
    """Speakers of every split with a group each, embeddings that follow it, and a summary of the corpus."""
    rng = np.random.default_rng(1)
    rows: list[dict[str, object]] = []
    voices: list[dict[str, object]] = []
    kinds = sorted(set(groups))
    for split in ("train", *HEARD):
        for name, group in zip(names, groups, strict=True):
            rows.append({"speaker": name, "split": split, GROUP: group, "further": []})
            voice = rng.normal(0, 0.05, n)
            voice[kinds.index(group)] += 1
            voices.append({"speaker": name, "split": split, "embedding": (voice / np.linalg.norm(voice)).tolist()})
    for folder in (corpus, embeddings):
        folder.mkdir(parents=True, exist_ok=True)
    write_table(corpus / "speakers.parquet", rows_table(rows, SPEAKERS))
    write_table(embeddings / "embeddings.parquet", rows_table(voices, EMBEDDINGS))
    write_json(corpus / "summary.json", {
        "labelled": "recorded", "speakers_overlap": False, "hours": 1.5,
        "splits": {split: {"speakers": len(names)} for split in ("train", *HEARD)}})
