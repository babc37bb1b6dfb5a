"""Regression of errors on declared groups: what is planted is found, adjusted, and nothing breaks it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evenvoice.metrics.regression import ALIKE, NO_ERRORS, regress, regressions
from tests.builders.declared import by_column, declared_world


def column(found, name):
    return next(one for one in found.columns if one.partition == f"attributes-{name}")


def group(found, name, cohort):
    return next(one for one in column(found, name).groups if one.cohort == cohort)


def draw(size, seed=1, **columns):
    """Groups of each column at random, by their chances."""
    rng = np.random.default_rng(seed)
    return {name: rng.choice(list(chances), size, p=list(chances.values())).tolist()
            for name, chances in columns.items()}


EVEN = {"female": 0.5, "male": 0.5}


def test_a_planted_ratio_lies_in_its_interval_and_equal_groups_are_equal():
    groups = draw(800, gender=EVEN, device={"phone": 0.3, "laptop": 0.5, "car": 0.2})
    found = regress(*declared_world(groups, {"phone": 1.5}), "base")
    assert found.reason == ""
    assert column(found, "device").reference == "laptop"
    phone = group(found, "device", "phone")
    assert phone.rate_ratio_low < 1.5 < phone.rate_ratio_high
    assert column(found, "device").p < 1e-6
    assert column(found, "device").df == 2
    assert column(found, "gender").p > 0.05
    assert found.dispersion == pytest.approx(0.3, abs=0.08)


def test_a_column_that_only_goes_along_with_the_cause_is_cleared_by_it():
    rng = np.random.default_rng(5)
    accent = rng.choice(["scottish", "welsh"], 900)
    region = np.where(rng.random(900) < 0.85, np.where(accent == "scottish", "north", "south"), "south")
    world = declared_world({"accent": accent.tolist(), "region": region.tolist()}, {"scottish": 2.0})
    alone = regress(world[0], [world[1][1]], "base")
    both = regress(*world, "base")
    assert group(alone, "region", "north").rate_ratio > 1.5
    assert column(alone, "region").p < 1e-6
    assert column(both, "region").p > 0.05
    assert group(both, "region", "north").rate_ratio == pytest.approx(1, abs=0.2)


def test_predicted_rates_are_those_of_everyone_as_one_group_and_stand_in_the_ratio():
    world = declared_world(draw(800, gender=EVEN), {"female": 1.4})
    found = regress(*world, "base")
    female, male = group(found, "gender", "female"), group(found, "gender", "male")
    assert male.rate_ratio == 1 or female.rate_ratio == 1
    assert female.predicted_wer / male.predicted_wer == pytest.approx(female.rate_ratio / male.rate_ratio)
    members = world[0].cohorts["attributes-gender"] == "female"
    assert female.predicted_wer == pytest.approx(world[0].table("base", members).wer, rel=0.1)


def test_who_is_unknown_is_a_group_and_never_the_reference():
    groups = draw(600, gender={"female": 0.15, "male": 0.15, "unknown": 0.7})
    found = regress(*declared_world(groups), "base")
    assert column(found, "gender").reference in {"female", "male"}
    assert group(found, "gender", "unknown").rate_ratio_low is not None


def test_a_group_without_errors_has_ratio_zero_and_no_interval():
    groups = draw(600, gender=EVEN, device={"phone": 0.5, "laptop": 0.4, "studio": 0.1})
    found = regress(*declared_world(groups, {"studio": 0.0}), "base")
    studio = group(found, "device", "studio")
    assert (studio.rate_ratio, studio.rate_ratio_low, studio.predicted_wer, studio.note) == (0, None, 0, NO_ERRORS)
    assert column(found, "device").p < 1e-6
    assert column(found, "gender").p > 0.01
    json.dumps(found.to_json(), allow_nan=False)


def test_without_its_silent_group_the_test_is_that_of_the_limit():
    """A group with hardly any errors has nearly the likelihood of one with none."""
    groups = draw(600, device={"phone": 0.5, "laptop": 0.4, "studio": 0.1})
    table, partitions = declared_world(groups, {"studio": 0.0})
    studio = np.flatnonzero(table.cohorts["attributes-device"] == "studio")
    nearly = table.errors["base"].copy()
    nearly[studio[0]] = 1
    silent, heard = (regress(replace(table, errors={"base": errors}), partitions, "base")
                     for errors in (table.errors["base"], nearly))
    assert np.log(column(silent, "device").p) == pytest.approx(np.log(column(heard, "device").p), rel=0.15)


def test_a_column_that_says_what_another_says_cannot_be_tested():
    groups = draw(600, gender=EVEN)
    groups["voice"] = ["high" if value == "female" else "low" for value in groups["gender"]]
    found = regress(*declared_world(groups, {"female": 2.0}), "base")
    for one in found.columns:
        assert (one.df, one.p, one.score) == (0, None, None)
        assert {of.note for of in one.groups if of.cohort != one.reference} == {ALIKE}
    assert found.faas is None


def test_people_who_tell_nothing_are_not_told_apart_and_everyone_else_is():
    groups = draw(600, gender=EVEN, device={"phone": 0.5, "laptop": 0.5})
    for values in groups.values():
        values[:40] = ["unknown"] * 40
    found = regress(*declared_world(groups, {"phone": 1.5}), "base")
    assert group(found, "gender", "unknown").rate_ratio is None
    assert group(found, "device", "unknown").note == ALIKE
    assert group(found, "device", "phone").rate_ratio_low is not None or (
        column(found, "device").reference == "phone")
    assert (column(found, "device").df, column(found, "device").p < 1e-4) == (1, True)
    assert found.faas is not None


def test_crossed_columns_and_methods_that_search_are_left_out():
    groups = draw(300, gender=EVEN)
    table, (gender,) = declared_world(groups)
    crossed = by_column("gender-device", ["female and phone", "male and phone"])
    found = regress(table, [crossed, replace(gender, method="clusters"), gender], "base")
    assert [one.partition for one in found.columns] == ["attributes-gender"]


def test_nothing_declared_is_no_regression():
    table, (gender,) = declared_world(draw(100, gender=EVEN))
    assert regress(table, [replace(gender, cohorts=gender.cohorts[:1])], "base") is None
    assert regressions(table, [], ["base"]) == {}


def test_few_speakers_are_counted_and_not_fitted():
    found = regress(*declared_world(draw(19, gender=EVEN)), "base")
    assert found.reason == "19 speakers are too few for 2 coefficients: 10 each are needed"
    assert found.columns == ()


def test_a_recogniser_without_errors_is_not_fitted():
    found = regress(*declared_world(draw(100, gender=EVEN), wer=0.0), "base")
    assert (found.reason, found.wer, found.faas) == ("no errors were made", 0, None)


def test_each_model_is_regressed_once():
    table, partitions = declared_world(draw(100, gender=EVEN))
    table = replace(table, errors={**table.errors, "arm": table.errors["base"] // 2})
    found = regressions(table, partitions, ["base", "arm", "base"])
    assert list(found) == ["base", "arm"]
    assert found["arm"]["wer"] < found["base"]["wer"]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**6), st.sampled_from([0.001, 0.05, 0.9]), st.sampled_from([0.0, 0.5, 5.0]),
       st.integers(1, 3), st.integers(2, 4))
def test_whatever_is_declared_the_figures_are_finite_or_absent(seed, wer, dispersion, columns, most):
    rng = np.random.default_rng(seed)
    names = [*(f"group {number}" for number in range(most)), "unknown"]
    groups = {f"c{number}": rng.choice(names, 150, p=rng.dirichlet(np.full(len(names), 0.5))).tolist()
              for number in range(columns)}
    silent = {name: float(rng.choice([0.0, 1.0, 3.0])) for name in names}
    found = regress(*declared_world(groups, silent, wer=wer, dispersion=dispersion, words=20, seed=seed), "base")
    if found is not None:
        json.dumps(found.to_json(), allow_nan=False)
        assert all(one.p is None or 0 <= one.p <= 1 for one in found.columns)
