"""Growing, pruning and freezing of the tree."""

from dataclasses import replace

import numpy as np
import pytest

from evenvoice.cohorts.features import coordinate
from evenvoice.cohorts.tree import UNPLACED, CohortTree, TreeSettings, fit_tree
from tests.builders.cohorts import cohort_table

SETTINGS = TreeSettings(max_cohorts=4, gain="poisson", permutations=99, significance=0.05, min_speakers=5, min_words=50)


def row_of_speakers(split: str, errors: list[int]):
    """Speakers on a line from south to north, 100 words each."""
    return cohort_table(splits=[split] * len(errors), errors=errors, words=[100] * len(errors),
                        lat=np.arange(float(len(errors))), lon=np.zeros(len(errors)))


def fit(discover, validate, settings: TreeSettings = SETTINGS) -> CohortTree:
    return fit_tree(features=[coordinate("lat"), coordinate("lon")], discover=discover, validate=validate,
                    settings=settings, rng=np.random.default_rng(0))


BAD_NORTH = row_of_speakers("discover", [5, 6, 4, 5, 6, 5, 4, 6, 21, 19, 20, 22, 18, 20, 21, 19])


def test_a_clear_border_is_cut_where_it_lies():
    tree = fit(BAD_NORTH, row_of_speakers("validate", [5, 5, 5, 5, 5, 5, 5, 5, 20, 20, 20, 20, 20, 20, 20, 20]))
    assert [tree.rule(cohort) for cohort in range(2)] == ["north of 7.5", "south of 7.5"]
    assert [(item.outcome, item.p_value) for item in tree.considered][:1] == [("kept", pytest.approx(0.01))]


def test_cohort_zero_is_the_one_with_the_highest_discover_wer():
    bad_south = row_of_speakers("discover", list(reversed(BAD_NORTH.errors.tolist())))
    tree = fit(bad_south, row_of_speakers("validate", [20] * 8 + [5] * 8))
    assert tree.rule(0) == "south of 7.5"


def test_a_split_that_validate_speakers_contradict_is_merged_and_says_so():
    tree = fit(BAD_NORTH, row_of_speakers("validate", [20] * 8 + [5] * 8))
    assert [tree.rule(cohort) for cohort in range(len(tree.leaves))] == ["everyone"]
    pruned = tree.described_splits()[0]
    assert pruned["outcome"] == "pruned"
    assert pruned["why"] == "WER differs by +14.9% on discover but -15.0% on validate speakers"


def test_a_split_with_too_few_validate_speakers_is_merged():
    tree = fit(BAD_NORTH, row_of_speakers("validate", [5] * 8 + [20] * 2))
    assert tree.described_splits()[0]["why"] == "2 validate speakers on its smaller side, 3 needed"
    assert len(tree.leaves) == 1


def test_a_split_stays_when_one_below_it_holds_on_validate_speakers():
    steps = row_of_speakers("discover", [5] * 8 + [21] * 8 + [40] * 8)
    validate = row_of_speakers("validate", [30] * 8 + [5] * 8 + [30] * 8)
    tree = fit(steps, validate)
    whys = [item.why for item in tree.considered if item.outcome == "kept"]
    assert "a split below it holds on validate speakers" in whys


def test_no_cohort_is_smaller_than_asked_for():
    tree = fit(row_of_speakers("discover", [5] * 16 + [40] * 4), row_of_speakers("validate", [5] * 16 + [40] * 4))
    labels = tree.assign(row_of_speakers("discover", [0] * 20))
    assert np.bincount(labels).min() >= 5


def test_the_tree_stops_at_the_largest_number_of_cohorts():
    steps = [level for level in (2, 10, 20, 30, 40, 50, 60, 70) for _ in range(6)]
    tree = fit(row_of_speakers("discover", steps), row_of_speakers("validate", steps))
    assert len(tree.leaves) == 4


def test_speakers_who_are_all_alike_are_left_together():
    tree = fit(row_of_speakers("discover", [5] * 20), row_of_speakers("validate", [5] * 20))
    assert tree.rule(0) == "everyone"


def test_the_frozen_rule_depends_on_where_a_speaker_is_and_on_nothing_else():
    tree = fit(BAD_NORTH, row_of_speakers("validate", [5] * 8 + [20] * 8))
    newcomers = cohort_table(splits=["test"] * 3, errors=[99, 0, 50], words=[100] * 3,
                             lat=np.array([12.0, 3.0, np.nan]), lon=np.array([5.0, -5.0, np.nan]))
    assert tree.assign(newcomers).tolist() == [0, 1, UNPLACED]


def test_bounds_along_a_path_are_tightened_rather_than_repeated():
    tree = fit(row_of_speakers("discover", [2] * 8 + [20] * 8 + [60] * 8),
               row_of_speakers("validate", [2] * 8 + [20] * 8 + [60] * 8))
    assert [tree.rule(cohort) for cohort in range(3)] == ["north of 15.5", "north of 7.5, south of 15.5",
                                                          "south of 7.5"]


def test_fewer_cohorts_are_those_of_the_tree_before_its_last_splits():
    steps = [2] * 8 + [20] * 8 + [60] * 8
    tree = fit(row_of_speakers("discover", steps), row_of_speakers("validate", steps))
    people = row_of_speakers("test", steps)
    assert len(tree.leaves) == 3
    assert len(set(zip(tree.first(3).assign(people).tolist(), tree.assign(people).tolist(), strict=True))) == 3
    assert {tree.first(2).rule(number) for number in range(2)} == {"north of 15.5", "south of 15.5"}
    assert tree.first(1).rule(0) == "everyone"


def in_the_middle(split: str):
    """Speakers on a square of 12 x 12, those of the 4 x 4 in its middle with three times the errors."""
    lat, lon = (axis.ravel() for axis in np.meshgrid(np.arange(12.0), np.arange(12.0)))
    middle = (abs(lat - 5.5) < 2) & (abs(lon - 5.5) < 2)
    errors = np.where(middle, 24, 8) + np.arange(144) * 5 % 7 - 3
    return cohort_table(splits=[split] * 144, errors=list(errors), words=[100] * 144, lat=lat, lon=lon)


def test_a_region_in_the_middle_is_one_box_and_everyone_else_is_outside_of_it():
    tree = fit(in_the_middle("discover"), in_the_middle("validate"), replace(SETTINGS, box_edges=11))
    box = "north of 3.5, south of 7.5, east of 3.5, west of 7.5"
    assert [tree.rule(cohort) for cohort in range(len(tree.leaves))] == [box, f"everyone except ({box})"]
    assert np.bincount(tree.assign(in_the_middle("test"))).tolist() == [16, 128]


def test_a_straight_border_stays_straight_where_boxes_are_searched_too():
    validate = row_of_speakers("validate", [5] * 8 + [20] * 8)
    tree = fit(BAD_NORTH, validate, replace(SETTINGS, box_edges=11))
    assert [tree.rule(cohort) for cohort in range(2)] == ["north of 7.5", "south of 7.5"]


def test_equal_seeds_give_equal_trees():
    validate = row_of_speakers("validate", [5] * 8 + [20] * 8)
    first, second = fit(BAD_NORTH, validate), fit(BAD_NORTH, validate)
    assert (first.splits, first.leaves, first.considered) == (second.splits, second.leaves, second.considered)
