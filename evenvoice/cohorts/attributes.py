"""Declared groups: cohorts by the corpus's own columns, one by one and crossed two at a time.

Nothing is searched: the columns say who is in which group. Each column, and each crossing, is a partition of its own,
ranked on discover speakers like any other. A crossing is made where it has more groups that are large enough than
either of its columns alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.cohorts.description import Found, FoundEach, Given, Method, NotApplicable
from evenvoice.cohorts.groups import ASIDE, FrozenGroups, Group
from evenvoice.cohorts.table import CohortTable, word_error_rate
from evenvoice.metrics.partitions import Aside, crossed_name, partition_name
from evenvoice.params import Discover

METHOD_NAME: Final = "attributes"


def find_groups(given: Given, settings: Discover, _rng: np.random.Generator) -> FoundEach | NotApplicable:
    """The groups of each column that has two of at least ``min_speakers`` and ``min_words``, and of their crossings.

    Nothing is pruned on validate speakers: errors have no say in who is in which group.
    """
    columns, table = settings.attributes.columns, given.discover
    if not columns:
        return NotApplicable("discover.attributes.columns names no column", asked=False)
    large = {column: _large(table, (column,), settings) for column in columns}
    usable = [column for column in columns if len(large[column]) > 1]
    too_few = [f"{column} has {_number(len(large[column]))}" for column in columns if column not in usable]
    enough = f"of at least {settings.min_speakers} discover speakers and {settings.min_words} words"
    if not usable:
        return NotApplicable(f"{', '.join(too_few)} {enough}; two are needed")
    parts: dict[tuple[str, ...], list[Group]] = {(column,): large[column] for column in usable}
    parts |= {pair: groups for pair in combinations(usable, 2)
              if (groups := _crossed(table, pair, [large[column] for column in pair], settings))}
    skipped = f"; {', '.join(too_few)} {enough}, and two are needed" if too_few else ""
    return FoundEach(
        reason=f"{_number(len(parts), 'partition')} by {', '.join(usable)} and their crossings{skipped}",
        partitions={partition_name(METHOD_NAME, part): (_title(part), _found(table, part, groups, large, enough))
                    for part, groups in parts.items()})


def _large(table: CohortTable, columns: Sequence[str], settings: Discover) -> list[Group]:
    """Combinations of known values that enough speakers have and enough words were said in, worst WER first."""
    groups_S = _groups(table, columns)
    members = {group: np.array([other == group for other in groups_S], dtype=bool)
               for group in sorted({group for group in groups_S if None not in group and not {*group} & {*ASIDE}})}
    large = [group for group, members_S in members.items() if members_S.sum() >= settings.min_speakers
             and table.words[members_S].sum() >= settings.min_words]
    return sorted(large, key=lambda group: (-_wer(table, members[group]), group))


def _crossed(table: CohortTable, columns: tuple[str, str], alone: list[list[Group]], settings: Discover
             ) -> list[Group]:
    """Large groups by both columns; none where one column alone has as many, or two would have one name."""
    kept = {group[0] for groups in alone for group in groups}
    groups = [group for group in _large(table, columns, settings) if {*group} <= kept]
    everyone = list(product(*(_labels(groups_of_one) for groups_of_one in alone)))
    alike = len({crossed_name(group) for group in everyone}) < len(everyone)
    return [] if alike or len(groups) <= max(map(len, alone)) else groups


def _groups(table: CohortTable, columns: Sequence[str]) -> list[Group]:
    return list(zip(*(table.declared(column) for column in columns), strict=True))


def _labels(alone: Iterable[Group]) -> list[str]:
    return [*(value for (value,) in alone), *ASIDE]


def _wer(table: CohortTable, members_S: NDArray[np.bool_]) -> float:
    return word_error_rate(table.errors[members_S], table.words[members_S])


def _found(table: CohortTable, columns: tuple[str, ...], judged: list[Group], large: dict[str, list[Group]],
           enough: str) -> Found:
    everyone = product(*(_labels(large[column]) for column in columns))
    aside = [group for group in everyone if group not in judged]
    rule = FrozenGroups(columns=columns, groups=(*judged, *aside))
    words = [rule.rule(number) for number in range(len(rule.groups))]
    return Found(rule=rule, named=tuple(map(crossed_name, judged)), rules=tuple(words[:len(judged)]),
                 aside=tuple(Aside(crossed_name(group), text)
                             for group, text in zip(aside, words[len(judged):], strict=True)),
                 reason=f"{_number(len(judged))} {enough}; all others are shown and not judged")


def _title(columns: tuple[str, ...]) -> str:
    return f"Declared groups: {' and '.join(column.replace('_', ' ') for column in columns)}"


def _number(count: int, what: str = "group") -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


METHOD = Method(title="Declared groups", goes_by="columns", find=find_groups)
