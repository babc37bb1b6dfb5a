"""Who is worst off: cohorts as discovery ranked them, taken from the worst upwards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Bottom:
    """The worst cohorts.

    Attributes:
        speakers: their training speakers; nobody where there are no two cohorts.
        population_share: their share of the discover and validate speakers that the method places. Those were drawn
            from the population as it is, while training may lack some; test speakers are for judging alone.
    """

    speakers: frozenset[str]
    population_share: float


def bottom_cohorts(discovered: Path, method: str, share: float) -> Bottom:
    """The worst cohorts, until they hold ``share`` of the placed training speakers.

    The best cohort is never taken. Without at least two cohorts nobody is worst off.

    Args:
        discovered: what the discover stage wrote for ``method``.
        method: which discovery.
        share: between 0 and 1.
    """
    partition = discovered_cohorts(discovered, method)
    if not partition.comparable:
        return Bottom(frozenset(), 0.0)
    everyone = read_table(discovered / "cohorts.parquet", COHORTS).to_pylist()
    placed = [row for row in everyone if row["cohort"] in partition.ranked]
    training = [row for row in placed if row["split"] == "train"]
    sizes = Counter(row["cohort"] for row in training)
    taken: set[str] = set()
    for cohort in partition.ranked[:-1]:
        if sum(sizes[name] for name in taken) >= share * len(training):
            break
        taken.add(cohort)
    population = [row["cohort"] in taken for row in placed if row["split"] in ("discover", "validate")]
    return Bottom(frozenset(row["speaker"] for row in training if row["cohort"] in taken),
                  sum(population) / max(1, len(population)))
