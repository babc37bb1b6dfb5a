"""Scored trials as they are read: by split, with speakers as numbers.

Shapes: S speakers, N trials.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.schemas import HEARD, TRIALS
from evenvoice.data.tables import read_table
from evenvoice.errors import ArtifactError
from evenvoice.verification.detection import Mask, Scores
from evenvoice.verification.resampling import Pairs


@dataclass(frozen=True, eq=False)
class Heard:
    """The trials of one verifier on one split.

    Attributes:
        speakers: (S,) their names, sorted.
        pairs: by numbers of speakers.
        scores, conditions: (N,).
    """

    speakers: tuple[str, ...]
    pairs: Pairs
    scores: Scores
    conditions: NDArray[np.object_]

    @property
    def same(self) -> Mask:
        """(N,) whether one speaker said both."""
        return self.pairs.same

    @property
    def everyone(self) -> Mask:
        """(S,)."""
        return np.ones(len(self.speakers), dtype=bool)

    def kept(self, kept_N: Mask) -> Heard:
        """Some of the trials, of the same speakers."""
        return Heard(self.speakers, self.pairs.where(kept_N), self.scores[kept_N], self.conditions[kept_N])

    def within(self, members_S: Mask) -> Heard:
        """Trials of which both speakers are members."""
        return self.kept(self.pairs.within(members_S))

    @property
    def has_both_kinds(self) -> bool:
        """Whether there is a same-speaker and a different-speaker trial."""
        return bool(self.same.any() and not self.same.all())


def read_heard(directory: Path) -> dict[str, Heard]:
    """Read what the stage verify wrote, split by split.

    Raises:
        ArtifactError: it is missing or broken, or has no trials of a split.
    """
    table = read_table(directory / "trials.parquet", TRIALS)
    split_N = table["split"].to_numpy()
    found = {}
    for split in HEARD:
        rows = table.filter(split_N == split)
        if not len(rows):
            raise ArtifactError(name=str(directory / "trials.parquet"), rule=f"hold trials of the {split} split",
                                value="none", action="Run the stage verify again.")
        names = np.concatenate([rows[name].to_numpy() for name in ("first_speaker", "second_speaker")]).astype(str)
        speakers, numbers = np.unique(names, return_inverse=True)
        first, second = numbers.astype(np.int64).reshape(2, -1)
        found[split] = Heard(tuple(speakers.tolist()), Pairs(first, second), rows["score"].to_numpy(),
                             rows["condition"].to_numpy())
    return found


def demand_same_trials(one: Heard, other: Heard, name: str) -> None:
    """Refuse to compare verifiers that were not asked the same.

    Raises:
        ArtifactError: the trials differ.
    """
    alike = (one.speakers == other.speakers and np.array_equal(one.pairs.first, other.pairs.first)
             and np.array_equal(one.pairs.second, other.pairs.second))
    if not alike:
        raise ArtifactError(name=f"the trials of {name!r}", rule="be those of the other verifiers", value="others",
                            action="Run the stage verify again.")
