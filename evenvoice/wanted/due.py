"""How many training speakers a cohort lacks for the share that it has of everybody."""

from __future__ import annotations

from pathlib import Path

from evenvoice.data.schemas import COHORTS
from evenvoice.data.tables import read_table
from evenvoice.wanted.thinning import MEASURED_ON


def lacking(discovered: Path, cohort: str) -> int:
    """Training speakers who, added to ``cohort``, would give it its share of the discover and validate speakers.

    Speakers whom the rule places nowhere count on neither side. 0 where the cohort has its share.

    Args:
        discovered: what the discover stage wrote for the method.
    """
    placed = [row for row in read_table(discovered / "cohorts.parquet", COHORTS).to_pylist() if row["cohort"]]
    everybody: list[bool] = [row["cohort"] == cohort for row in placed if row["split"] in MEASURED_ON]
    training: list[bool] = [row["cohort"] == cohort for row in placed if row["split"] == "train"]
    ours, others = sum(everybody), len(everybody) - sum(everybody)
    if not others:
        return 0
    return max(0, round(ours / others * (len(training) - sum(training))) - sum(training))
