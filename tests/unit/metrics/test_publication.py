"""Which cohorts are hidden, and everything that would give them away with them."""

from evenvoice.metrics.publication import hidden_cohorts

EVERYONE = {"method": "whole", "cohort": "whole", "split": "test", "speakers": 52}


def cohort(name: str, speakers: int, split: str = "test") -> dict[str, object]:
    return {"method": "geographic", "cohort": name, "split": split, "speakers": speakers}


def test_two_speakers_in_no_cohort_are_not_given_away_by_the_rest() -> None:
    assert hidden_cohorts([EVERYONE, cohort("north", 20), cohort("south", 30)], 5) == {"geographic": {"north"}}


def test_large_cohorts_that_hold_everyone_are_all_shown() -> None:
    assert hidden_cohorts([EVERYONE, cohort("north", 22), cohort("south", 30)], 5) == {"geographic": frozenset()}


def test_a_cohort_too_small_on_one_split_is_hidden_on_every_split() -> None:
    rows = [cohort("north", 3, "validate"), cohort("south", 30, "validate"), cohort("west", 40, "validate"),
            cohort("north", 22), cohort("south", 30), cohort("west", 40)]
    assert "north" in hidden_cohorts(rows, 5)["geographic"]
