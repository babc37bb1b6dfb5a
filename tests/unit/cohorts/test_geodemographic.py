"""Groups by census and by speaker attributes."""

import dataclasses

import numpy as np

from evenvoice.cohorts import find_cohorts
from evenvoice.cohorts.description import Found, NotApplicable
from evenvoice.cohorts.table import CohortTable
from tests.builders.cohorts import cohort_table, discover_settings

SPLITS = ["discover"] * 80 + ["validate"] * 40 + ["test"] * 40


def census_world(seed: int = 0) -> CohortTable:
    """Two postal codes of four have a high share of renters, and their speakers make three times the errors."""
    rng = np.random.default_rng(seed)
    census = {"10001": (0.8, 31_000.0), "10002": (0.7, 52_000.0), "10003": (0.2, 34_000.0), "10004": (0.3, 58_000.0)}
    codes = [list(census)[number % 4] for number in range(len(SPLITS))]
    rates = [0.3 if census[code][0] > 0.5 else 0.1 for code in codes]
    return cohort_table(splits=SPLITS, errors=list(rng.binomial(60, rates)), words=[60] * len(SPLITS),
                        postal_code=codes, census=np.array([census[code] for code in codes]),
                        census_columns=("renters", "median_income"))


def accent_world() -> CohortTable:
    """Speakers with a northern accent make three times the errors; gender makes no difference."""
    accents = [("north", "south", None)[number % 3] for number in range(len(SPLITS))]
    errors = [{"north": 18, "south": 6, None: 6}[accent] for accent in accents]
    genders = [("female", "male")[number // 3 % 2] for number in range(len(SPLITS))]
    return cohort_table(splits=SPLITS, errors=errors, words=[60] * len(SPLITS), accent=accents, gender=genders)


def groups(table: CohortTable) -> Found:
    found = find_cohorts("geodemographic", table, discover_settings(), seed=1)
    assert isinstance(found, Found)
    return found


def test_the_census_statistic_that_parts_error_rates_is_found():
    found = groups(census_world())
    assert found.extra["source"] == "census by postal code"
    assert (found.names(), found.rules) == (["group-1", "group-2"], ("renters above 0.5", "renters at most 0.5"))


def test_a_share_is_cut_at_the_majority_and_the_median_but_an_amount_only_at_the_median():
    table = census_world()
    table.census[table.postal_code == "10003", 0] = 0.6  # the median of the shares moves to 0.65
    found = groups(table)
    assert set(found.rules) == {"renters above 0.65", "renters at most 0.65"}


def test_the_rule_places_postal_codes_that_discovery_never_saw():
    newcomers = cohort_table(splits=["test"] * 3, errors=[0] * 3, words=[60] * 3, postal_code=["9", "8", None],
                             census=np.array([[0.9, 0.0], [0.1, 0.0], [np.nan, np.nan]]),
                             census_columns=("renters", "median_income"))
    assert groups(census_world()).rule.assign(newcomers).tolist() == [0, 1, -1]


def test_attributes_of_the_speakers_take_the_place_of_a_missing_census():
    found = groups(accent_world())
    assert found.extra["source"] == "speaker attributes"
    assert found.rules == ("accent is north", "accent is not north")


def test_a_speaker_whose_attribute_is_unknown_counts_as_not_having_it():
    assert groups(accent_world()).rule.assign(accent_world())[:3].tolist() == [0, 1, 1]


def test_a_census_that_knows_no_postal_code_of_the_speakers_is_passed_over():
    table = accent_world()
    unmatched = dataclasses.replace(table, census=np.full((len(table), 1), np.nan), census_columns=("renters",))
    assert groups(unmatched).extra["source"] == "speaker attributes"


def test_a_corpus_without_census_and_attributes_is_told_why_there_are_no_groups():
    found = find_cohorts("geodemographic", cohort_table(splits=["discover"] * 30, errors=[3] * 30, words=[60] * 30),
                         discover_settings(), seed=0)
    assert isinstance(found, NotApplicable)
    assert "no attribute value is shared by 12" in found.reason
