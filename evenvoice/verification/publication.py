"""What may be published about verifiers: everything but groups that are too small, and what would give them away."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from evenvoice.metrics.publication import LINES, Hidden, Row, hidden_cohorts, is_hidden, published_line
from evenvoice.verification.evaluation import CONDITION

OPEN: Final = (CONDITION,)
"""Partitions of trials rather than of speakers."""
GAPS_OF_A_GROUP: Final = ("gap", "gap_at_least", "gap_at_most")


def hidden_groups(rates: Iterable[Row], min_speakers: int) -> Hidden:
    """Per grouping, the groups not to show, on any split.

    Args:
        rates: rows of the VERIFICATION table.
        min_speakers: fewer speakers than this are never shown.
    """
    return hidden_cohorts([{**row, "method": row["partition"], "cohort": row["group"]} for row in rates
                           if row["partition"] not in OPEN], min_speakers)


def shown_rates(rates: Iterable[Row], hidden: Hidden) -> list[Row]:
    """Rows of the VERIFICATION table without hidden groups."""
    return [row for row in rates if not is_hidden(row["partition"], row["group"], hidden)]


def shown_gaps(gaps: Iterable[Row], hidden: Hidden) -> list[Row]:
    """Rows of the VERIFICATION_GAPS table: a spread over groups of which one is hidden is hidden too."""
    return [row for row in gaps if not (hidden.get(row["partition"]) if row["figure"] == "spread" else
                                        {row["bottom"], row["top"]} & hidden.get(row["partition"], frozenset()))]


def published_verdict(verdict: Row, hidden: Hidden) -> dict[str, Any]:
    """verdict.json without what it says about hidden groups."""
    return {**verdict, **{lines: [published_line(line, hidden) for line in verdict[lines]] for lines in LINES},
            "regression": [row for row in verdict["regression"] if not _is_of_hidden(row["scope"], hidden)],
            "groups": [_without_gap_to_hidden(row, hidden) for row in verdict["groups"]
                       if not is_hidden(row["partition"], row["group"], hidden)]}


def _is_of_hidden(scope: str, hidden: Hidden) -> bool:
    partition, _, group = scope.partition("/")
    return is_hidden(partition, group, hidden)


def _without_gap_to_hidden(row: Row, hidden: Hidden) -> Row:
    if not is_hidden(row["partition"], row["against"], hidden):
        return row
    return {**row, "against": None, **dict.fromkeys(GAPS_OF_A_GROUP)}
