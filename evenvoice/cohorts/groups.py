"""Groups that a corpus declares, by one column or two crossed, as a rule that places anyone.

Everybody has a group: who is unknown in a column, or has a value of too few discover speakers, is in a group of that
name, which has no rank (evenvoice.metrics.partitions.SMALLER).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.cohorts.table import CohortTable
from evenvoice.data.coded import Coded
from evenvoice.metrics.partitions import SMALLER
from evenvoice.params import UNKNOWN

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
        values = [list(of_groups) for of_groups in zip(*self.groups, strict=True)]
        place_of = [{value: place for place, value in enumerate(dict.fromkeys(own))} for own in values]
        numbers = np.empty([*map(len, place_of)], dtype=np.intp)
        numbers[tuple([*map(of.__getitem__, own)] for of, own in zip(place_of, values, strict=True))] = (
            np.arange(len(self.groups)))
        return np.asarray(numbers[tuple(_places(of, table.declared(column))
                                        for of, column in zip(place_of, self.columns, strict=True))])

    def rule(self, cohort: int) -> str:
        """A group in words, e.g. ``gender is female, age_band is 20-29``."""
        return ", ".join(_words(column, value)
                         for column, value in zip(self.columns, self.groups[cohort], strict=True))


def _places(place_of: Mapping[str, int], declared: Coded) -> NDArray[np.intp]:
    """Place (S,) among the values of a rule's column of what each speaker has."""
    places = [place_of.get(value, place_of[SMALLER]) for value in declared.numbers]
    # NOTHING, which is -1, is the code of what comes last
    found: NDArray[np.intp] = np.array([*places, place_of[UNKNOWN]], dtype=np.intp)[declared.codes]
    return found


def _words(column: str, value: str) -> str:
    if value == SMALLER:
        return f"{column} is another, of too few speakers"
    return f"{column} is {value}"
