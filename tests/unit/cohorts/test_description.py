"""What is written of who is in which cohort."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evenvoice.cohorts.description import Found, NotApplicable, partition_of, write_cohorts
from evenvoice.cohorts.table import CohortTable
from evenvoice.data.schemas import COARSER, COHORTS
from evenvoice.data.tables import read_table
from tests.builders.cohorts import cohort_table


class Numbered:
    """A rule that says these numbers."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers

    def assign(self, table: CohortTable) -> np.ndarray:
        return np.array(self.numbers, dtype=np.intp)


TABLE = cohort_table(splits=["discover", "test", "test"], errors=[2, 0, 0], words=[20, 0, 0])
FOUND = Found(rule=Numbered(1, -1, 0), rules=("first", "second"), reason="made", prefix="part",
              coarser={2: Numbered(0, -1, 1), 1: Numbered(0, 0, 0)})
KEYS = [("s0000", "discover"), ("s0001", "test"), ("s0002", "test")]


def test_everyone_is_written_with_a_cohort_or_none(tmp_path: Path) -> None:
    write_cohorts(tmp_path, FOUND, TABLE)
    rows = read_table(tmp_path / "cohorts.parquet", COHORTS).to_pylist()
    assert [(row["speaker"], row["split"], row["cohort"]) for row in rows] == [
        (*key, cohort) for key, cohort in zip(KEYS, ["part-2", None, "part-1"], strict=True)]


def test_coarser_rules_are_written_one_after_the_other_from_the_coarsest(tmp_path: Path) -> None:
    write_cohorts(tmp_path, FOUND, TABLE)
    rows = read_table(tmp_path / "coarser.parquet", COARSER).to_pylist()
    assert [(row["speaker"], row["split"]) for row in rows] == KEYS * 2
    assert [(row["cohorts"], row["cohort"]) for row in rows] == [(1, 0), (1, 0), (1, 0), (2, 0), (2, None), (2, 1)]


def test_where_nothing_was_found_everyone_is_written_without_a_cohort(tmp_path: Path) -> None:
    write_cohorts(tmp_path, NotApplicable("nothing to go by"), TABLE)
    assert read_table(tmp_path / "cohorts.parquet", COHORTS)["cohort"].to_pylist() == [None] * 3
    assert len(read_table(tmp_path / "coarser.parquet", COARSER)) == 0


def test_labels_are_what_would_be_written() -> None:
    assert partition_of("geographic", FOUND, TABLE)[1] == ["part-2", None, "part-1"]
