"""Who is worst off: cohorts as discovery ranked them, taken from the worst upwards."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from evenvoice.data.schemas import COHORTS
from evenvoice.data.tables import read_table
from evenvoice.metrics.partitions import Partition, read_partition
from evenvoice.storage import read_json


def discovered_cohorts(discovered: Path, method: str) -> Partition:
    """Cohorts as discovery froze them.

    Args:
        discovered: what the discover stage wrote for ``method``.
        method: which discovery.
    """
    source = discovered / "description.json"
    return read_partition(method, read_json(source), str(source))


def bottom_speakers(discovered: Path, method: str, share: float) -> frozenset[str]:
    """Training speakers of the worst cohorts, until they hold ``share`` of the placed training speakers.

    The best cohort is never taken. Without at least two cohorts nobody is worst off and the set is empty.

    Args:
        discovered: what the discover stage wrote for ``method``.
        method: which discovery.
        share: between 0 and 1.
    """
    partition = discovered_cohorts(discovered, method)
    if not partition.comparable:
        return frozenset()
    placed = read_table(discovered / "cohorts.parquet", COHORTS).to_pylist()
    training = [row for row in placed if row["split"] == "train" and row["cohort"] is not None]
    sizes = Counter(row["cohort"] for row in training)
    taken: set[str] = set()
    for cohort in partition.ranked[:-1]:
        if sum(sizes[name] for name in taken) >= share * len(training):
            break
        taken.add(cohort)
    return frozenset(row["speaker"] for row in training if row["cohort"] in taken)
