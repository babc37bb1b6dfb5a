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
from evenvoice.data.coded import NOTHING, Coded
from evenvoice.metrics.partitions import Aside, crossed_name, partition_name
from evenvoice.params import Discover

METHOD_NAME: Final = "attributes"
_SMALL: Final = "smaller ones are judged together, where the gate has enough of them"
_NOT_JUDGED: Final = "all others are shown and not judged"


def find_groups(given: Given, settings: Discover, _rng: np.random.Generator) -> FoundEach | NotApplicable:
    """The groups of each column that has two of at least ``min_speakers`` and ``min_words``, and of their crossings.

    One such group is enough where other values are known: these are smaller groups, which the gate may have enough of.
    Nothing is pruned on validate speakers: errors have no say in who is in which group.
    """
    columns, table = settings.attributes.columns, given.discover
    if not columns:
        return NotApplicable("discover.attributes.columns names no column", asked=False)
    large = {column: _large(table, (column,), settings) for column in columns}
    usable = [column for column in columns if len(large[column]) > 1 or (large[column] and _others(table, column))]
    too_few = [f"{column} has {_number(len(large[column]))}" for column in columns if column not in usable]
    enough = f"of at least {settings.min_speakers} speakers and {settings.min_words} words to go by"
    if not usable:
        return NotApplicable(f"{', '.join(too_few)} {enough}; two are needed")
    parts: dict[tuple[str, ...], list[Group]] = {(column,): large[column] for column in usable}
    parts |= {pair: groups for pair in combinations([column for column in usable if len(large[column]) > 1], 2)
              if (groups := _crossed(table, pair, [large[column] for column in pair], settings))}
    skipped = f"; {', '.join(too_few)} {enough}, and two are needed" if too_few else ""
    return FoundEach(
        reason=f"{_number(len(parts), 'partition')} by {', '.join(usable)} and their crossings{skipped}",
        partitions={partition_name(METHOD_NAME, part): (_title(part), _found(table, part, groups, large, enough))
                    for part, groups in parts.items()})


def _others(table: CohortTable, column: str) -> bool:
    """Whether more than one value is known."""
    declared = table.declared(column)
    return len(np.unique(declared.codes[_known(declared)])) > 1


def _large(table: CohortTable, columns: Sequence[str], settings: Discover) -> list[Group]:
    """Combinations of known values that enough speakers have and enough words were said in, worst WER first."""
    declared = [table.declared(column) for column in columns]
    known = np.flatnonzero(np.all([_known(coded) for coded in declared], axis=0))
    first_G, group_N = _combined(declared, known)
    speakers_G = np.bincount(group_N, minlength=len(first_G))
    words_G, errors_G = (np.bincount(group_N, counts_S[known], len(first_G)).astype(np.int64)
                         for counts_S in (table.words, table.errors))
    values = [list(coded.numbers) for coded in declared]
    wer: dict[Group, float] = {}
    for number in np.flatnonzero((speakers_G >= settings.min_speakers) & (words_G >= settings.min_words)):
        group = tuple(own[coded.codes[first_G[number]]] for own, coded in zip(values, declared, strict=True))
        wer[group] = word_error_rate(errors_G[number], words_G[number])
    return sorted(wer, key=lambda group: (-wer[group], group))


def _known(declared: Coded) -> NDArray[np.bool_]:
    """Who (S,) has a value that can be a group."""
    known_S: NDArray[np.bool_] = declared.codes != NOTHING
    for aside in ASIDE:
        known_S &= ~declared.holding(aside)
    return known_S


def _combined(declared: Sequence[Coded], known: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """A speaker of each combination (G,), and the combination (N,) of each of the N ``known`` speakers."""
    combined_N = np.zeros(len(known), dtype=np.int64)
    for coded in declared:
        combined_N = combined_N * len(coded.numbers) + coded.codes[known]
    _, first_G, group_N = np.unique(combined_N, return_index=True, return_inverse=True)
    return known[first_G], group_N


def _crossed(table: CohortTable, columns: tuple[str, str], alone: list[list[Group]], settings: Discover
             ) -> list[Group]:
    """Large groups by both columns; none where one column alone has as many, or two would have one name."""
    kept = {group[0] for groups in alone for group in groups}
    groups = [group for group in _large(table, columns, settings) if {*group} <= kept]
    everyone = list(product(*(_labels(groups_of_one) for groups_of_one in alone)))
    alike = len({crossed_name(group) for group in everyone}) < len(everyone)
    return [] if alike or len(groups) <= max(map(len, alone)) else groups


def _labels(alone: Iterable[Group]) -> list[str]:
    return [*(value for (value,) in alone), *ASIDE]


def _found(table: CohortTable, columns: tuple[str, ...], judged: list[Group], large: dict[str, list[Group]],
           enough: str) -> Found:
    shown = {*judged}
    aside = [group for group in product(*(_labels(large[column]) for column in columns)) if group not in shown]
    rule = FrozenGroups(columns=columns, groups=(*judged, *aside))
    words = [rule.rule(number) for number in range(len(rule.groups))]
    return Found(rule=rule, named=tuple(map(crossed_name, judged)), rules=tuple(words[:len(judged)]),
                 aside=tuple(Aside(crossed_name(group), text)
                             for group, text in zip(aside, words[len(judged):], strict=True)),
                 reason=f"{_number(len(judged))} {enough}; {_SMALL if len(columns) == 1 else _NOT_JUDGED}")


def _title(columns: tuple[str, ...]) -> str:
    return f"Declared groups: {' and '.join(column.replace('_', ' ') for column in columns)}"


def _number(count: int, what: str = "group") -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


METHOD = Method(title="Declared groups", goes_by="columns", find=find_groups)
