"""Who is worst off follows the ranking that discovery froze."""

from pathlib import Path

import pytest

from evenvoice.data.schemas import COHORTS
from evenvoice.data.tables import rows_table, write_table
from evenvoice.mitigation.bottom import bottom_cohorts
from evenvoice.storage import write_json


def write_discovery(directory: Path, *, wer: dict[str, float], training: dict[str, str | None]) -> Path:
    """``wer`` is each cohort's on discovery speakers; ``training`` places the training speakers."""
    described = [{"cohort": cohort, "rule": f"lives in {cohort}", "rank": 1, "discover_speakers": 20,
                  "discover_words": 900, "discover_wer": rate} for cohort, rate in wer.items()]
    write_json(directory / "description.json", {"method": "geographic", "applicable": bool(wer), "reason": "told",
                                                "parameters": {}, "cohorts": described, "extra": {}})
    placed = [{"speaker": name, "split": "train", "cohort": cohort} for name, cohort in training.items()]
    everyone_else = [{"speaker": "someone else", "split": "test", "cohort": cohort} for cohort in wer]
    write_table(directory / "cohorts.parquet", rows_table([*placed, *everyone_else], COHORTS))
    return directory


def test_training_speakers_of_the_worst_cohort_are_taken(tmp_path: Path) -> None:
    found = write_discovery(tmp_path, wer={"north": 0.3, "south": 0.1}, training={"ann": "north", "bo": "south"})
    assert bottom_cohorts(found, "geographic", share=0.1).speakers == {"ann"}


def test_cohorts_are_added_from_the_worst_upwards_until_the_share_is_reached(tmp_path: Path) -> None:
    found = write_discovery(tmp_path, wer={"a": 0.3, "b": 0.2, "c": 0.1},
                            training={"ann": "a", "bo": "b", "cy": "c", "di": "c"})
    assert bottom_cohorts(found, "geographic", share=0.25).speakers == {"ann"}
    assert bottom_cohorts(found, "geographic", share=0.4).speakers == {"ann", "bo"}


def test_a_worst_cohort_without_training_speakers_leaves_room_for_the_next(tmp_path: Path) -> None:
    found = write_discovery(tmp_path, wer={"a": 0.3, "b": 0.2, "c": 0.1}, training={"bo": "b", "cy": "c"})
    assert bottom_cohorts(found, "geographic", share=0.1).speakers == {"bo"}


def test_the_best_cohort_is_never_taken(tmp_path: Path) -> None:
    found = write_discovery(tmp_path, wer={"north": 0.3, "south": 0.1}, training={"ann": "north", "bo": "south"})
    assert bottom_cohorts(found, "geographic", share=1.0).speakers == {"ann"}


@pytest.mark.parametrize("wer", [{}, {"everyone": 0.2}])
def test_without_two_cohorts_nobody_is_worst_off(tmp_path: Path, wer: dict[str, float]) -> None:
    found = write_discovery(tmp_path, wer=wer, training={"ann": next(iter(wer), None)})
    assert bottom_cohorts(found, "geographic", share=0.1).speakers == frozenset()


def test_speakers_that_the_method_cannot_place_are_nobody_s_bottom(tmp_path: Path) -> None:
    found = write_discovery(tmp_path, wer={"north": 0.3, "south": 0.1}, training={"ann": None, "bo": "south"})
    assert bottom_cohorts(found, "geographic", share=0.1).speakers == frozenset()


def test_the_share_of_the_population_is_that_of_placed_discover_and_validate_speakers(tmp_path: Path) -> None:
    found = write_discovery(tmp_path, wer={"north": 0.3, "south": 0.1}, training={"ann": "north", "bo": "south"})
    rows = [("d1", "discover", "north"), ("d2", "discover", "south"), ("d3", "discover", None),
            ("v1", "validate", "north"), ("v2", "validate", "south"), ("v3", "validate", "south"),
            ("ann", "train", "north"), ("bo", "train", "south"), *[(f"t{n}", "test", "north") for n in range(9)]]
    write_table(found / "cohorts.parquet", rows_table(
        [{"speaker": name, "split": split, "cohort": cohort} for name, split, cohort in rows], COHORTS))

    assert bottom_cohorts(found, "geographic", share=0.1).population_share == pytest.approx(2 / 5)
