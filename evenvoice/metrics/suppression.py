"""Which cohorts may not be published: too few speakers, and those that would give them away by subtraction."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

Cell = tuple[str, str]
"""A group of each of two columns that are crossed."""
HIDDEN: Final = ""
"""Stands for all groups of a column that are hidden: only their sum is known. No group has this name."""
ENDLESS: Final = 2**30
"""More speakers than there are."""



def suppress(counts: Mapping[str, int], k: int) -> set[str]:
    """Names of the cohorts to hide.

    What is hidden can be recovered as one sum: everyone minus what is shown. So the smallest shown cohorts are hidden
    too until that sum covers at least two cohorts and at least ``k`` speakers, or nothing is left to show. An empty
    cohort is hidden as well, but protects nobody.

    Args:
        counts: speakers per cohort of one partition. Pass the speakers that no cohort holds as one more entry when
            the total is published.
        k: fewer speakers than this are never shown.
    """
    by_size = sorted(counts, key=lambda cohort: (counts[cohort], cohort))
    hidden = [cohort for cohort in by_size if counts[cohort] < k]
    shown = by_size[len(hidden):]
    while shown and _recoverable([counts[cohort] for cohort in hidden], k):
        hidden.append(shown.pop(0))
    return set(hidden)


def _recoverable(hidden: list[int], k: int) -> bool:
    occupied = [count for count in hidden if count > 0]
    return bool(occupied) and (len(occupied) == 1 or sum(occupied) < k)


def suppress_crossed(counts: Mapping[Cell, int], hidden: tuple[Set[str], Set[str]], k: int) -> set[Cell]:
    """Cells of two crossed columns to hide, where each column is published by itself as well.

    Everyone of a group minus its shown cells is a sum over its hidden ones; sums of rows and columns can be combined.
    Cells are hidden, the smallest first, until no such combination is the sum over fewer than ``k`` speakers.

    Args:
        counts: speakers per cell; every speaker is in one.
        hidden: groups of the first and of the second column that are hidden; so are all of their cells.
        k: fewer speakers than this are never shown.
    """
    first, second = hidden
    gone = {cell for cell, count in counts.items() if count < k or cell[0] in first or cell[1] in second}
    while (leak := _leak(counts, gone, hidden, k)) is not None:
        shown = [cell for cell in counts if cell not in gone]
        if not shown:
            break
        gone.add(min(_protecting(shown, {cell for cell in gone if counts[cell]}, leak),
                     key=lambda cell: (counts[cell], cell)))
    return gone


def _protecting(shown: list[Cell], gone: Set[Cell], leak: Cell) -> list[Cell]:
    """Cells to choose from: corners of a rectangle of hidden ones, else beside the leak, else any."""
    rows, columns = ({cell[side] for cell in gone} for side in (0, 1))
    corners = [cell for cell in shown if cell[0] in rows and cell[1] in columns]
    return corners or [cell for cell in shown if cell[0] == leak[0] or cell[1] == leak[1]] or shown


def _leak(counts: Mapping[Cell, int], gone: Set[Cell], hidden: tuple[Set[str], Set[str]], k: int) -> Cell | None:
    """A hidden cell that is part of a known sum over fewer than ``k`` speakers; None where there is none.

    Known are the sums of hidden cells by row and by column. A combination of them counts each cell once or not at all
    where it is all of some rows minus columns that lie wholly in these rows. The smallest with a given cell is a
    minimum cut between its row and its column, to the side of whose row a column comes only with all of its rows.
    """
    sizes: dict[Cell, int] = {}
    for (row, column), count in counts.items():
        if (row, column) in gone and count:
            cell = (HIDDEN if row in hidden[0] else row, HIDDEN if column in hidden[1] else column)
            sizes[cell] = sizes.get(cell, 0) + count
    rows, columns = (sorted({cell[side] for cell in sizes}) for side in (0, 1))
    capacity = np.zeros((len(rows) + len(columns),) * 2, dtype=np.int32)
    for (row, column), count in sizes.items():
        here, there = rows.index(row), len(rows) + columns.index(column)
        capacity[here, there], capacity[there, here] = count, ENDLESS
    graph = csr_array(capacity)
    for row, column in sorted(sizes, key=lambda cell: (sizes[cell], cell)):
        if maximum_flow(graph, rows.index(row), len(rows) + columns.index(column)).flow_value < k:
            return row, column
    return None
