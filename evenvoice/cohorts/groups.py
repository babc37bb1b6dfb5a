"""Groups that a corpus declares, by one column or two crossed, as a rule that places anyone.

Everybody has a group: who is unknown in a column, or has a value of too few discover speakers, is in a group of that
name, which is shown and not judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.cohorts.table import CohortTable
from evenvoice.params import UNKNOWN

SMALLER: Final = "smaller groups"
"""Stands for every value of too few discover speakers, and for those that only other speakers have."""
ASIDE: Final = (SMALLER, UNKNOWN)
"""Beside the values of each column; no value of that name is a group of its own."""

Group = tuple[str, ...]
"""A value of each column."""


@dataclass(frozen=True, kw_only=True)
class FrozenGroups:
    """A frozen rule: each speaker belongs to the group of their values.

    Attributes:
        columns: one, or two that are crossed.
        groups: in cohort order, those that are judged first; every combination of values comes once.
    """

    columns: tuple[str, ...]
    groups: tuple[Group, ...]

    def assign(self, table: CohortTable) -> NDArray[np.intp]:
        """Cohort number (S,) of each speaker."""
        number_of = {group: number for number, group in enumerate(self.groups)}
        labels = [self._labels(place, table) for place in range(len(self.columns))]
        return np.array([number_of[group] for group in zip(*labels, strict=True)], dtype=np.intp)

    def rule(self, cohort: int) -> str:
        """A group in words, e.g. ``gender is female, age_band is 20-29``."""
        return ", ".join(_words(column, value)
                         for column, value in zip(self.columns, self.groups[cohort], strict=True))

    def _labels(self, place: int, table: CohortTable) -> list[str]:
        own = {group[place] for group in self.groups}
        return [UNKNOWN if value is None else value if value in own else SMALLER
                for value in table.declared(self.columns[place])]


def _words(column: str, value: str) -> str:
    if value == SMALLER:
        return f"{column} is another, of too few speakers"
    return f"{column} is {value}"
