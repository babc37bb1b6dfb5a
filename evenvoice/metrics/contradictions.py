"""Where the regression on declared groups says something else than the gate does.

Two cases, of one column each:

- the gate found every judged group within its limit, but the regression tells the groups apart (p < 0.05) and a group's
  WER, all other columns alike, is above that of whom the gate compares it with by more than the limit;
- the gate found a group beyond its limit, but the regression, all other columns alike, finds no difference between the
  groups of its column (p >= 0.05).

The first happens where another column covers a difference up, or where few speakers said much of a group's words: the
gate counts words, the regression weighs speakers too. The second happens where another column is behind the difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evenvoice.metrics.faas import SIGNIFICANT
from evenvoice.metrics.partitions import columns_of

Row = Mapping[str, Any]


def contradictions(regression: Row, verdict: Row) -> dict[str, str]:
    """Partition -> a sentence for people.

    Args:
        regression: of the model that was judged, as :meth:`evenvoice.metrics.regression.Regression.to_json` gives it.
        verdict: as :meth:`evenvoice.gates.Verdict.to_json` gives it.
    """
    found = {}
    for column in regression["columns"]:
        judged = [row for row in verdict["cohorts"] if row["method"] == column["partition"]]
        others = [_name(other) for other in regression["columns"] if other is not column]
        sentence = column["p"] is not None and (_unseen(column, judged, others, verdict["limits"])
                                                or _unfounded(column, judged, others))
        if sentence:
            found[column["partition"]] = sentence
    return found


def adjusted_gap(column: Row, row: Row, reference: str) -> float | None:
    """(W_cohort - W_reference) / W_reference with the predicted WERs of a column; None where one is missing.

    Args:
        row: of the gate, about one cohort.
        reference: as ``gate.reference`` has it: top, rest or whole.
    """
    told = {group["cohort"]: group for group in column["groups"] if group["predicted_wer"] is not None}
    names = {"top": {row["against"]}, "rest": told.keys() - {row["cohort"]}, "whole": told.keys()}[reference]
    words = sum(told[name]["words"] for name in names if name in told)
    errors = sum(told[name]["words"] * told[name]["predicted_wer"] for name in names if name in told)
    if row["cohort"] not in told or not errors:
        return None
    return float(told[row["cohort"]]["predicted_wer"] / (errors / words) - 1)


def _unseen(column: Row, judged: Sequence[Row], others: Sequence[str], limits: Row) -> str:
    """What the gate let pass."""
    if not {row["decision"] for row in judged} <= {"within", "reference"} or column["p"] >= SIGNIFICANT:
        return ""
    beyond = list(_beyond(column, judged, limits))
    if not beyond:
        return ""
    return (f"By {_name(column)} the gate finds every group within its limit of {100 * limits['max_gap']:.0f} %, but "
            f"{_adjusted(others)} the regression puts {' and '.join(beyond)} (p {_p(column)}).")


def _beyond(column: Row, judged: Sequence[Row], limits: Row) -> Iterator[str]:
    for row in judged:
        gap = adjusted_gap(column, row, limits["reference"])
        if row["decision"] == "within" and gap is not None and gap > limits["max_gap"]:
            yield f"{row['cohort']} {100 * gap:.0f} % above {row['against']}"


def _unfounded(column: Row, judged: Sequence[Row], others: Sequence[str]) -> str:
    """What the gate objects to."""
    beyond = [row["cohort"] for row in judged if row["decision"] == "exceeds"]
    if not beyond or column["p"] < SIGNIFICANT:
        return ""
    behind = f": {' or '.join(others)} may be behind it" if others else ""
    return (f"By {_name(column)} the gate finds {' and '.join(beyond)} beyond its limit, but {_adjusted(others)} the "
            f"regression finds no difference between groups (p {_p(column)}){behind}.")


def _adjusted(others: Sequence[str]) -> str:
    return f"with {' and '.join(others)} alike" if others else "by speakers"


def _name(column: Row) -> str:
    return columns_of(column["partition"])[0].replace("_", " ")


def _p(column: Row) -> str:
    return "< 0.0001" if column["p"] < 1e-4 else f"= {column['p']:.4f}"
