"""Which cohort each speaker of a corpus is in, as a frozen rule placed them.

It lies beside a model that is told cohorts, for whoever transcribes that corpus with it, and never leaves the
workspace: what is published of a model names no speaker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.schemas import COHORTS
from evenvoice.data.tables import read_table, rows_table, write_table
from evenvoice.errors import ArtifactError
from evenvoice.models.cohorts import KnownCohorts

Speaker = tuple[str, str]
"""Pseudonym and split; whoever is in two splits may be placed twice."""


@dataclass(frozen=True)
class Placement:
    """Speakers and the names of their cohorts; None for one whom the rule cannot place."""

    cohort_of: Mapping[Speaker, str | None]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a table of cohorts.

        Raises:
            ArtifactError: it is missing or unreadable.
        """
        rows = read_table(path, COHORTS).to_pylist()
        return cls({(row["speaker"], row["split"]): row["cohort"] for row in rows})

    def write(self, path: Path) -> None:
        """Write what :meth:`read` reads."""
        write_table(path, rows_table([{"speaker": speaker, "split": split, "cohort": cohort}
                                      for (speaker, split), cohort in self.cohort_of.items()], COHORTS))

    def of(self, splits: Iterable[str]) -> Placement:
        """The same without the speakers of other splits."""
        wanted = frozenset(splits)
        return Placement({who: cohort for who, cohort in self.cohort_of.items() if who[1] in wanted})

    def among(self, names: Iterable[str]) -> Placement:
        """The same without a cohort for whoever is in none of these."""
        known = frozenset(names)
        return Placement({who: cohort if cohort in known else None for who, cohort in self.cohort_of.items()})

    def numbers(self, known: KnownCohorts, store: FeatureStore, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """What a model that knows these cohorts is told of the speakers of recordings: (indices,) numbers.

        Raises:
            ArtifactError: a speaker of whom nothing is written.
            ParamsError: a cohort that the model does not know.
        """
        number_of = {name: known.number(name) for name in {*self.cohort_of.values()}}
        who = zip(store.speakers[indices].tolist(), store.splits[indices].tolist(), strict=True)
        return np.array([number_of[self._cohort(*speaker)] for speaker in who], np.int64)

    def _cohort(self, speaker: str, split: str) -> str | None:
        try:
            return self.cohort_of[speaker, split]
        except KeyError:
            raise ArtifactError(name=f"the cohorts of speakers of split {split}", rule=f"name {speaker}",
                                value="nothing of them",
                                action="They belong to other features: run discover and mitigate again.") from None
