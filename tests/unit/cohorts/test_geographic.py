"""Regions in worlds whose truth is known."""

from collections.abc import Mapping

import numpy as np
import pytest
from scipy.stats import binom

from evenvoice.cohorts import find_cohorts
from evenvoice.cohorts.description import Found, NotApplicable
from evenvoice.cohorts.table import CohortTable, word_error_rate
from tests.builders.cohorts import UNIT_BOX, cohort_table, discover_settings, inside_box, located_world

SMALL_BOX = {"lat_min": 35.0, "lat_max": 37.2, "lon_min": -102.0, "lon_max": -97.5}
"""About 5 % of the speakers."""


def regions(table: CohortTable, **changes) -> Found:
    found = find_cohorts("geographic", table, discover_settings(**changes), seed=3)
    assert isinstance(found, Found)
    return found


def overlap(found: Found, table: CohortTable, box: Mapping[str, float] = UNIT_BOX) -> float:
    """Speakers in both the worst region and the planted one, over speakers in either."""
    worst, planted = found.rule.assign(table) == 0, inside_box(table.lat, table.lon, box)
    return float((worst & planted).sum() / (worst | planted).sum())


def held_out_gap(found: Found, table: CohortTable, split: str) -> float:
    """(W_worst - W_best) / W_best on one split, 0 for a single region."""
    rows = table.counted(split)
    labels = found.rule.assign(rows)
    worst, best = (word_error_rate(rows.errors[labels == number], rows.words[labels == number])
                   for number in (0, len(found.rules) - 1))
    return worst / best - 1


def makes_a_split(seed: int, **geographic) -> bool:
    """Whether a world without any region gets a split that chance did not explain, pruned later or not."""
    found = regions(located_world(seed, speakers=120), geographic=geographic)
    return any(split["outcome"] != "rejected" for split in found.extra["splits"])


def most_false_alarms(worlds: int) -> int:
    """What a test with an error rate of exactly 5 % exceeds in one of a thousand sets of worlds."""
    return int(binom.ppf(0.999, worlds, 0.05))


def test_a_region_with_twice_the_errors_is_found_where_it_was_planted():
    overlaps = [overlap(regions(world), world) for world in
                (located_world(seed, factor=2.0, speakers=800) for seed in range(8))]
    assert np.median(overlaps) > 0.6


def test_the_planted_gap_shows_on_test_speakers_who_were_not_looked_at():
    worlds = [located_world(seed, factor=2.0, speakers=800) for seed in range(8)]
    assert np.median([held_out_gap(regions(world), world, "test") for world in worlds]) > 0.5


def test_worlds_without_regions_rarely_get_a_split():
    assert sum(makes_a_split(seed) for seed in range(40)) <= most_false_alarms(40)


@pytest.mark.science
def test_false_alarms_in_two_hundred_worlds_stay_at_five_percent():
    alarms = sum(makes_a_split(seed, box_edges=20) for seed in range(1000, 1200))
    assert alarms <= most_false_alarms(200)


def test_an_untested_tree_finds_gaps_in_noise_that_fresh_speakers_do_not_show():
    careless = {"geographic": {"significance": 0.999}, "min_speakers": 15}
    worlds = [located_world(seed, speakers=600) for seed in range(20)]
    found = [regions(world, **careless) for world in worlds]
    in_sample = np.mean([held_out_gap(item, world, "discover") for item, world in zip(found, worlds, strict=True)])
    held_out = np.mean([held_out_gap(item, world, "test") for item, world in zip(found, worlds, strict=True)])
    assert in_sample > 0.5
    assert abs(held_out) < 0.15


def test_boxes_and_rules_tell_the_same_region():
    found = regions(located_world(1, factor=3.0, speakers=800))
    box, rule = found.extra["boxes"]["region-1"], found.rules[0]
    words = {"lat_min": "north of", "lat_max": "south of", "lon_min": "east of", "lon_max": "west of"}
    for edge, text in words.items():
        assert (text in rule) == (box[edge] is not None)
        assert box[edge] is None or f"{text} {box[edge]:.6g}" in rule


def test_an_interior_region_with_a_twentieth_of_the_speakers_is_found():
    found = regions(located_world(4, factor=2.0, speakers=1000, box=SMALL_BOX), geographic={"box_edges": 20})
    world = located_world(4, factor=2.0, speakers=1000, box=SMALL_BOX)
    assert overlap(found, world, SMALL_BOX) > 0.5
    assert found.rules[-1].startswith("everyone except (")
    assert found.extra["boxes"][f"region-{len(found.rules)}"]["except"]


def test_straight_cuts_alone_do_not_see_it():
    blind = regions(located_world(4, factor=2.0, speakers=1000, box=SMALL_BOX), geographic={"box_edges": 0})
    assert blind.rules == ("everyone",)


def test_a_corpus_without_locations_is_told_why_there_are_no_regions():
    found = find_cohorts("geographic", cohort_table(splits=["discover"] * 30, errors=[3] * 30, words=[60] * 30),
                         discover_settings(), seed=0)
    assert found == NotApplicable("0 discover speakers have a location, 24 needed for two regions")


def test_a_world_in_which_no_split_survives_has_one_region():
    world = located_world(0)
    found = regions(world, min_speakers=40)
    assert (found.rules, found.reason) == (("everyone",), "no split survives")
    assert set(found.rule.assign(world).tolist()) == {0}


def test_errors_of_test_speakers_change_nothing():
    world = located_world(2, factor=2.0, speakers=800)
    altered = located_world(2, factor=2.0, speakers=800)
    altered.errors[altered.splits == "test"] = 60
    before, after = regions(world), regions(altered)
    assert len(before.rules) > 1
    assert (before.rules, before.extra) == (after.rules, after.extra)
    assert before.rule.assign(world).tolist() == after.rule.assign(altered).tolist()
