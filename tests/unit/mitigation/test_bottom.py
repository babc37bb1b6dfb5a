"""Who is worst off is read from discovery speakers alone."""

from pathlib import Path

import pytest

from evenvoice.data.schemas import COHORTS, HYPOTHESES
from evenvoice.data.tables import rows_table, write_table
from evenvoice.mitigation.bottom import bottom_speakers


def write_world(directory: Path, *, cohorts: dict[str, str | None], errors: dict[str, int]) -> tuple[Path, Path]:
    """Speakers are named <split>-<anything>; each says ten words."""
    placed = [{"speaker": name, "split": name.split("-")[0], "cohort": cohort} for name, cohort in cohorts.items()]
    heard = [{"utterance": f"u-{name}", "speaker": name, "split": name.split("-")[0], "reference": "ten words",
              "hypothesis": "", "words": 10, "substitutions": count, "deletions": 0, "insertions": 0, "duration_s": 1.0}
             for name, count in errors.items()]
    write_table(directory / "cohorts.parquet", rows_table(placed, COHORTS))
    write_table(directory / "hypotheses.parquet", rows_table(heard, HYPOTHESES))
    return directory / "cohorts.parquet", directory / "hypotheses.parquet"


def test_the_worst_cohort_on_discovery_speakers_is_taken(tmp_path: Path) -> None:
    world = write_world(tmp_path, cohorts={"discover-1": "north", "discover-2": "south", "train-1": "north",
                                           "train-2": "south", "train-3": "south"},
                        errors={"discover-1": 5, "discover-2": 1})
    assert bottom_speakers(*world, share=0.1) == {"train-1"}


def test_errors_of_test_speakers_change_nothing(tmp_path: Path) -> None:
    world = write_world(tmp_path, cohorts={"discover-1": "north", "discover-2": "south", "test-1": "south",
                                           "train-1": "north", "train-2": "south"},
                        errors={"discover-1": 5, "discover-2": 1, "test-1": 10})
    assert bottom_speakers(*world, share=0.1) == {"train-1"}


def test_cohorts_are_added_from_the_worst_upwards_until_the_share_is_reached(tmp_path: Path) -> None:
    world = write_world(tmp_path, cohorts={"discover-1": "a", "discover-2": "b", "discover-3": "c", "train-1": "a",
                                           "train-2": "b", "train-3": "c", "train-4": "c"},
                        errors={"discover-1": 9, "discover-2": 5, "discover-3": 1})
    assert bottom_speakers(*world, share=0.25) == {"train-1"}
    assert bottom_speakers(*world, share=0.4) == {"train-1", "train-2"}


def test_the_best_cohort_is_never_taken(tmp_path: Path) -> None:
    world = write_world(tmp_path, cohorts={"discover-1": "a", "discover-2": "b", "train-1": "a", "train-2": "b"},
                        errors={"discover-1": 9, "discover-2": 5})
    assert bottom_speakers(*world, share=1.0) == {"train-1"}


@pytest.mark.parametrize("cohort", [None, "everyone"])
def test_without_two_cohorts_nobody_is_worst_off(tmp_path: Path, cohort: str | None) -> None:
    world = write_world(tmp_path, cohorts={"discover-1": cohort, "train-1": cohort}, errors={"discover-1": 9})
    assert bottom_speakers(*world, share=0.1) == frozenset()
