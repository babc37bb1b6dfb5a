"""Who stays in training when only a part of the bottom cohort does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.schemas import COHORTS
from evenvoice.data.tables import read_table

MEASURED_ON: Final = ("discover", "validate")
"""Test speakers take no part: what is collected because of a forecast is a training decision."""
FEWEST: Final = 4
"""Training speakers of the cohort, so that a quarter of them is somebody."""
SUMMARY: Final = "thinned.json"
"""What a thinned training says of itself, beside its hypotheses."""
STREAM: Final = 0x7417
"""Keeps this draw apart from every other use of the seed."""


@dataclass(frozen=True, kw_only=True)
class Thinned:
    """A training split with only a part of one cohort's speakers.

    Attributes:
        indices: recordings that stay.
        speakers: of the cohort that stay.
        of: of the cohort that there are.
        hours: of speech of all of them.
    """

    indices: NDArray[np.int64]
    speakers: int
    of: int
    hours: float


def thinned(store: FeatureStore, members: frozenset[str], part: float, seed: int) -> Thinned:
    """Keep everybody but some of ``members``; who stays with a smaller part stays with a larger one.

    Args:
        store: features; only its train split counts.
        members: the cohort's training speakers.
        part: of them that stays, between 0 and 1; rounded, and at least one.
        seed: the order in which they leave.
    """
    training = store.indices("train")
    speakers = store.speakers[training].astype(str)
    heard = sorted(members & set(speakers.tolist()))
    order = np.random.default_rng([seed, STREAM]).permutation(len(heard))
    stays = max(1, round(part * len(heard))) if heard else 0
    leaves = [heard[place] for place in order[stays:]]
    theirs = training[np.isin(speakers, heard)]
    return Thinned(indices=training[~np.isin(speakers, leaves)], speakers=stays, of=len(heard),
                   hours=float(store.durations_s[theirs].sum(dtype=np.float64)) / 3600)


def training_members(discovered: Path, cohort: str) -> frozenset[str]:
    """Training speakers whom the frozen rule of a method places in ``cohort``.

    Args:
        discovered: what the discover stage wrote for the method.
    """
    placed = read_table(discovered / "cohorts.parquet", COHORTS).to_pylist()
    return frozenset(row["speaker"] for row in placed if row["split"] == "train" and row["cohort"] == cohort)
