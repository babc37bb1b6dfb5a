"""``evenvoice cohorts wanted``: whom to look for, in words, and nobody by name."""

import json
from dataclasses import replace

import pytest

from evenvoice.__main__ import main
from evenvoice.cohorts.bounds import Bounds
from evenvoice.cohorts.description import Found
from evenvoice.cohorts.features import coordinate, indicator, statistic
from evenvoice.cohorts.frozen import rules
from evenvoice.cohorts.tree import FrozenTree, Split
from evenvoice.storage import read_json, write_json
from evenvoice.wanted.wording import Forecast
from tests.builders.origins import made_origins
from tests.builders.wanted import made_forecast, written

PLACES = (coordinate("lat"), coordinate("lon"))
BOX = FrozenTree(features=PLACES, leaves=(2, 1), splits=(
    Split(node=0, inside=2, outside=1, box={0: Bounds(30.1, 34.2), 1: Bounds(high=-95.0)}),))
HOLE = FrozenTree(features=PLACES, leaves=(3, 4, 2), splits=(
    Split(node=0, inside=1, outside=2, box={0: Bounds(low=30.0)}),
    Split(node=1, inside=4, outside=3, box={0: Bounds(33.0, 35.0), 1: Bounds(-90.0, -80.0)})))
CENSUS = FrozenTree(features=(statistic("renters"), statistic("median_age")), leaves=(3, 4, 2), splits=(
    Split(node=0, inside=1, outside=2, box={0: Bounds(low=0.5)}),
    Split(node=1, inside=4, outside=3, box={1: Bounds(low=41.5)})))
ACCENT = FrozenTree(features=(indicator("accent", "northern"),), leaves=(2, 1), splits=(
    Split(node=0, inside=2, outside=1, box={0: Bounds(low=0.5)}),))


def publish(root, tree: FrozenTree = BOX, method: str = "geographic", forecast: Forecast | None = None) -> None:
    """What a run leaves in reports/ of one method and of whose speech it wants."""
    origins = made_origins(root / "models", ("base",))
    found = forecast or replace(made_forecast(top=f"region-{len(tree.leaves)}"), method=method)
    cohorts = Found(rule=tree, prefix="region", rules=tuple(tree.rule(number) for number in range(len(tree.leaves))),
                    reason="made for a test")
    write_json(root / "reports/verdict.json", {"wanted": written(found), "origins": origins.to_json()})
    write_json(root / "reports/cohorts" / method / "rules.json", rules(method, cohorts, 1))
    write_json(root / "reports/cohorts" / method / "description.json", {
        "applicable": True, "asked": True, "reason": "2 cohorts", "cohorts": [
            {"cohort": name, "rule": rule, "discover_speakers": 20, "discover_words": 900,
             "discover_wer": 0.3 - number / 10}
            for number, (name, rule) in enumerate(zip(cohorts.names(), cohorts.rules, strict=True))],
        "origin": {"model": origins.models["base"], "features": origins.features, "tokenizer": origins.tokenizer}})


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(capsys, *words: str) -> list[str]:
    assert main(["cohorts", "wanted", *words]) == 0
    return capsys.readouterr().out.splitlines()


def refused(capsys, *words: str) -> str:
    assert main(["cohorts", "wanted", *words]) == 3
    return capsys.readouterr().err


def test_a_region_is_told_in_words_and_as_a_box_with_speakers_and_hours(capsys, tmp_path):
    publish(tmp_path)

    assert said(capsys) == [
        "Wanted: speech of region-1 of the geographic method. It makes 150 % more errors per word than region-2, the "
        "limit is 50 % more.",
        "who              north of 30.1, south of 34.2, west of -95",
        "box in degrees   latitude 30.1 to 34.2, longitude -180 to -95",
        "speakers         about 71 more (40 to 160) beside the 40 of the training split",
        "hours of speech  about 3.6 more beside the 2.0 of theirs"]


def test_what_a_region_leaves_out_is_a_box_too(capsys, tmp_path):
    publish(tmp_path, HOLE)

    assert said(capsys)[2:4] == [
        "box in degrees           latitude 30 to 90, longitude -180 to 180",
        "box in degrees, but not  latitude 33 to 35, longitude -90 to -80"]


def test_a_group_by_census_is_told_by_the_statistics_of_its_postal_codes(capsys, tmp_path):
    publish(tmp_path, CENSUS, "geodemographic")

    assert said(capsys)[1:3] == ["who                renters above 0.5, median_age at most 41.5",
                                 "postal codes with  renters above 0.5, median_age at most 41.5"]


def test_a_group_by_attributes_is_told_by_them(capsys, tmp_path):
    publish(tmp_path, ACCENT, "geodemographic")

    assert said(capsys)[2] == "speakers whose   accent is northern"


def test_watched_cohorts_are_told_as_those_that_were_found(capsys, tmp_path):
    publish(tmp_path, BOX, "watched")

    assert said(capsys)[2] == "box in degrees   latitude 30.1 to 34.2, longitude -180 to -95"


def test_a_cohort_of_voices_is_found_by_ear(capsys, tmp_path):
    publish(tmp_path, BOX, "clusters")
    write_json(tmp_path / "reports/cohorts/clusters/rules.json", {
        "method": "clusters", "coordinate_decimals": 1, "cohorts": ["region-1", "region-2"],
        "rule": {"kind": "centroids", "centroids": [[0.1, 0.2], [0.3, 0.4]]}})

    assert "the voice: evenvoice cohorts assign --method clusters places those who were recorded" in said(capsys)[2]


def test_a_refused_forecast_says_why_and_is_no_error(capsys, tmp_path):
    publish(tmp_path, forecast=Forecast(refused="wanted.learn is false", method="geographic"))

    assert said(capsys) == ["How much more speech would help is not forecast: wanted.learn is false."]


def test_an_interval_without_an_end_is_told_as_one(capsys, tmp_path):
    publish(tmp_path, forecast=replace(made_forecast(top="region-2"), more_speakers={
        "estimate": 71, "low": 40, "high": None}))

    assert "about 71 more (at least 40)" in said(capsys)[3]


@pytest.mark.parametrize("name", ["reports/verdict.json", "reports/cohorts/geographic/rules.json",
                                  "reports/cohorts/geographic/description.json"])
def test_a_missing_file_is_refused_by_name(capsys, tmp_path, name):
    publish(tmp_path)
    (tmp_path / name).unlink()

    assert f"{name} must exist, got no such file instead" in refused(capsys)


def test_files_elsewhere_are_read_where_they_are_named(capsys, tmp_path):
    publish(tmp_path / "run")

    assert len(said(capsys, "--rules", "run/reports/cohorts", "--verdict", "run/reports/verdict.json")) == 5


def test_rules_of_another_run_are_refused(capsys, tmp_path):
    publish(tmp_path)
    path = tmp_path / "reports/cohorts/geographic/description.json"
    described = read_json(path)
    write_json(path, {**described, "origin": {**described["origin"], "model": "another"}})

    assert "description.json must come from the run of reports/verdict.json, got another base model" in refused(capsys)


def test_rules_that_do_not_know_the_cohort_are_refused(capsys, tmp_path):
    publish(tmp_path, forecast=made_forecast(cohort="region-7"))

    assert "must hold the rule of region-7, as reports/verdict.json wants it, got region-1, region-2" in refused(capsys)


@pytest.mark.parametrize("verdict", [{}, [], None, {"wanted": None}, {"wanted": {"refused": ""}}])
def test_a_verdict_without_a_forecast_is_refused(capsys, tmp_path, verdict):
    (tmp_path / "verdict.json").write_text(json.dumps(verdict))

    assert "wanted in verdict.json must be the forecast of a run" in refused(capsys, "--verdict", "verdict.json")
