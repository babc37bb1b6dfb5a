"""What may be published of several talkers: everything but groups that are too small, and what gives them away."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from evenvoice.metrics.publication import LINES, Hidden, Row, hidden_cohorts, is_hidden, published_line
from evenvoice.multitalker.evidence import SPLIT

GAPS_OF_A_GROUP: Final = ("gap", "at_least", "at_most")


def hidden_groups(rates: Iterable[Row], min_speakers: int) -> Hidden:
    """Per grouping, the groups not to show.

    Args:
        rates: rows of the TURN_RATES table.
        min_speakers: fewer speakers than this are never shown.
    """
    return hidden_cohorts([{"method": row["partition"], "cohort": row["group"], "split": SPLIT,
                            "speakers": row["speakers"]} for row in rates], min_speakers)


def shown_rates(rates: Iterable[Row], hidden: Hidden) -> list[Row]:
    """Rows of the TURN_RATES table without hidden groups."""
    return [row for row in rates if not is_hidden(row["partition"], row["group"], hidden)]


def shown_grouping(grouping: Row, hidden: Hidden) -> dict[str, Any]:
    """How the speakers were parted, without hidden groups."""
    gone = hidden.get(grouping["name"], frozenset())
    return {**grouping, "reason": published_line(grouping["reason"], hidden),
            **{part: [group for group in grouping[part] if group not in gone] for part in ("judged", "aside")}}


def published_verdict(verdict: Row, hidden: Hidden) -> dict[str, Any]:
    """verdict.json without what it says about hidden groups."""
    return {**verdict, **{lines: [published_line(line, hidden) for line in verdict[lines]] for lines in LINES},
            "groups": [_without_gap_to_hidden(row, hidden) for row in verdict["groups"]
                       if not is_hidden(row["partition"], row["group"], hidden)]}


def _without_gap_to_hidden(row: Row, hidden: Hidden) -> Row:
    if not is_hidden(row["partition"], row["against"], hidden):
        return row
    return {**row, "against": None, **(dict.fromkeys(GAPS_OF_A_GROUP) if row["kind"] == "wer" else {})}
