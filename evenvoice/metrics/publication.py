"""What may be published of a run: everything but cohorts that are too small, and what would give them away.

A cohort hidden on one split is hidden on all, since splits can be compared. A gap with a hidden cohort at one end is
hidden too: beside the WER of the other end it gives the hidden one away.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any, Final

from evenvoice.metrics.healing import without
from evenvoice.metrics.partitions import SMALLER, columns_of, crossed_name, method_of, partition_name
from evenvoice.metrics.suppression import suppress, suppress_crossed
from evenvoice.params import UNKNOWN

Row = Mapping[str, Any]
Hidden = Mapping[str, frozenset[str]]
"""Method -> cohorts that are not shown."""
WHOLE: Final = "whole"
REGRESSION: Final = "regression.json"
"""Of the evaluation: errors of each model that is judged, regressed on declared groups; as plain values."""
UNPLACED: Final = "speakers without a cohort"
EVERYWHERE: Final = (SMALLER, UNKNOWN)
"""Cohorts of every declared column."""
LINES: Final = ("reasons", "undecided", "further")
"""Sentences of a verdict."""
GAPS_OF_A_COHORT: Final = ("gap", "gap_at_least", "gap_at_most")
LEFT_OUT: Final = "A reason is left out here because it speaks of a cohort too small to publish."


def hidden_cohorts(cohort_wer: Iterable[Row], min_speakers: int) -> Hidden:
    """Per method, the cohorts not to show.

    The whole is published, so whom a method placed in no cohort counts as one more cohort.

    Args:
        cohort_wer: rows of the COHORT_WER table.
        min_speakers: fewer speakers than this are never shown.
    """
    sizes: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    everyone: dict[str, int] = {}
    for row in cohort_wer:
        if row["method"] == WHOLE:
            everyone[row["split"]] = row["speakers"]
        else:
            sizes[row["method"], row["split"]][row["cohort"]] = row["speakers"]
    hidden: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
    crossed = {method for method, _ in sizes if len(columns_of(method)) > 1}
    for (method, split), counts in sizes.items():
        if method in crossed:
            continue
        unplaced = max(0, everyone.get(split, 0) - sum(counts.values()))
        hidden[method] |= suppress({**counts, UNPLACED: unplaced}, min_speakers) - {UNPLACED}
    for (method, split), counts in sizes.items():
        if method in crossed:
            first, second = (partition_name(method_of(method), (column,)) for column in columns_of(method))
            hidden[method] |= _hidden_cells(counts, (sizes[first, split], sizes[second, split]),
                                            (hidden[first], hidden[second]), min_speakers)
    return hidden


def _hidden_cells(counts: Mapping[str, int], alone: tuple[Iterable[str], Iterable[str]],
                  hidden: tuple[frozenset[str], frozenset[str]], min_speakers: int) -> frozenset[str]:
    """Of a crossing: ``counts`` by the names of its cells, ``alone`` the groups of each of its columns."""
    cells = {crossed_name(cell): cell for cell in product(alone[0], alone[1])}
    found = suppress_crossed({cells[name]: count for name, count in counts.items()}, hidden, min_speakers)
    return frozenset(map(crossed_name, found))


def is_hidden(method: str, cohort: str | None, hidden: Hidden) -> bool:
    """Whether a cohort of a method is not to be shown."""
    return cohort in hidden.get(method, frozenset())


def published_verdict(verdict: Row, hidden: Hidden) -> dict[str, Any]:
    """verdict.json without what it says about hidden cohorts."""
    return {**verdict,
            **{lines: [published_line(line, hidden) for line in verdict[lines]] for lines in LINES},
            "healed": _published_healing(verdict["healed"], hidden),
            "wanted": _published_wanted(verdict["wanted"], hidden),
            "saving": _published_saving(verdict["saving"], hidden),
            "regression": {scope: found for scope, found in verdict["regression"].items()
                           if not is_hidden(*_method_and_cohort(scope), hidden)},
            "cohorts": [_without_gap_to_hidden(row, hidden) for row in verdict["cohorts"]
                        if not is_hidden(row["method"], row["cohort"], hidden)]}


def _published_saving(saving: Row | None, hidden: Hidden) -> Row | None:
    if saving is None:
        return None
    return {**saving, "regression": {scope: found for scope, found in saving["regression"].items()
                                     if not is_hidden(*_method_and_cohort(scope), hidden)}}


def published_regression(found: Row, hidden: Hidden) -> dict[str, Any]:
    """A regression on declared groups without what it says about hidden ones.

    What tells about all groups of a column (p, score, the predicted level) goes where one of them is hidden, and FAAS
    with it, which is a mean over columns. What is a ratio to a hidden group goes too.
    """
    some = any(hidden.get(column["partition"]) for column in found["columns"])
    return {**found, "faas": None if some else found["faas"],
            "columns": [_published_column(column, hidden.get(column["partition"], frozenset()))
                        for column in found["columns"]]}


def _published_column(column: Row, hidden: frozenset[str]) -> Row:
    if not hidden:
        return column
    shown = [] if column["reference"] in hidden else [
        {**group, "predicted_wer": None} for group in column["groups"] if group["cohort"] not in hidden]
    return {**column, "reference": column["reference"] if shown else None, "df": None, "p": None, "score": None,
            "groups": shown}


def published_line(line: str, hidden: Hidden) -> str:
    """A sentence, or that it is left out since it speaks of a hidden cohort."""
    return LEFT_OUT if _mentions_hidden(line, hidden) else line


def _published_wanted(wanted: Row | None, hidden: Hidden) -> Row | None:
    """A forecast shows the WER of two cohorts."""
    if wanted is None or any(is_hidden(wanted["method"], wanted[which], hidden) for which in ("cohort", "top")):
        return None
    return wanted


def _published_healing(healed: Row | None, hidden: Hidden) -> Row | None:
    """The variance tells about all cohorts, so one hidden cohort hides it."""
    if healed is None:
        return None
    return without(healed, bottom=is_hidden(healed["method"], healed["bottom"], hidden),
                   variance=bool(hidden.get(healed["method"])))


def _method_and_cohort(scope: str) -> tuple[str, str]:
    method, _, cohort = scope.partition("/")
    return method, cohort


def _mentions_hidden(reason: str, hidden: Hidden) -> bool:
    return any(_mentions(reason, method, cohort) for method, cohorts in hidden.items() for cohort in cohorts)


def _mentions(reason: str, method: str, cohort: str) -> bool:
    """Names that every column has are told apart by the method beside them, as evenvoice.gates.wording writes it."""
    if cohort in EVERYWHERE:
        return f"{cohort} of the {method} method" in reason or f"{method}/{cohort}" in reason
    return bool(re.search(rf"(?<!\w){re.escape(cohort)}(?!\w)", reason))


def _without_gap_to_hidden(row: Row, hidden: Hidden) -> Row:
    if not is_hidden(row["method"], row["against"], hidden):
        return row
    return {**row, "against": None, **dict.fromkeys(GAPS_OF_A_COHORT)}
