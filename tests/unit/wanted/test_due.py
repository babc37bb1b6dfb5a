"""What a cohort lacks is counted against everybody who can be placed."""

from __future__ import annotations

from pathlib import Path

import pytest

from evenvoice.wanted.due import lacking
from tests.builders.tables import made_partition, write_cohorts

PARTITION = made_partition({"south": 0.4, "north": 0.1})


def placed(tmp_path: Path, counts: dict[tuple[str, str | None], int]) -> Path:
    people = [(split, f"{split}-{cohort}-{number}", cohort)
              for (split, cohort), count in counts.items() for number in range(count)]
    write_cohorts(tmp_path, PARTITION, people)
    return tmp_path / PARTITION.method


def test_a_third_of_everybody_lacks_half_of_what_the_others_have(tmp_path: Path) -> None:
    counts = {("discover", "south"): 20, ("discover", "north"): 40, ("validate", "south"): 10,
              ("validate", "north"): 20, ("train", "south"): 30, ("train", "north"): 400}

    assert lacking(placed(tmp_path, counts), "south") == 170


@pytest.mark.parametrize("south", [200, 350])
def test_whoever_has_the_share_lacks_nobody(tmp_path: Path, south: int) -> None:
    counts = {("discover", "south"): 20, ("discover", "north"): 40, ("train", "south"): south, ("train", "north"): 400}

    assert lacking(placed(tmp_path, counts), "south") == 0


def test_test_speakers_and_whoever_has_no_place_do_not_count(tmp_path: Path) -> None:
    counts = {("discover", "south"): 20, ("discover", "north"): 40, ("discover", None): 33, ("test", "south"): 500,
              ("train", "south"): 30, ("train", "north"): 400, ("train", None): 90}

    assert lacking(placed(tmp_path, counts), "south") == 170
