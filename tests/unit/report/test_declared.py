"""Declared groups on the page: a forest plot for each column, a heat map for two that are crossed."""

from __future__ import annotations

from pathlib import Path

import pytest

from evenvoice.metrics.publication import LEFT_OUT
from evenvoice.params import load_params
from evenvoice.report import Contents, render_page
from evenvoice.report.figures import crossed_figure, forest_figure
from evenvoice.report.figures.forest import _right
from evenvoice.report.figures.style import plain
from tests.builders.report import made_contents

PARAMS = load_params(Path(__file__).parents[3] / "params.yaml")


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    return made_contents(tmp_path_factory.mktemp("run"), declared=True, minimum=1)


def test_each_column_and_each_crossing_is_judged(contents: Contents) -> None:
    assert [method.name for method in contents.methods if method.columns] == [
        "attributes-gender", "attributes-age_band", "attributes-gender-age_band"]
    assert {row["cohort"] for row in contents.verdict["cohorts"] if row["method"] == "attributes-gender"} == {
        "female", "male"}


def test_who_is_unknown_is_shown_and_not_judged(contents: Contents) -> None:
    row = contents.wer(contents.challenger, "attributes-gender", "unknown")
    assert row is not None
    assert row["speakers"] == 1
    assert "unknown" not in {row["cohort"] for row in contents.verdict["cohorts"]}
    page = render_page(contents, ingest=PARAMS.ingest, report=PARAMS.report, seed=1)
    assert "<td>not judged</td>" in page
    assert "3 partitions by gender, age_band and their crossings" in page


def test_a_column_is_drawn_as_a_forest_and_a_crossing_as_a_map(contents: Contents) -> None:
    forest = forest_figure(contents, "attributes-gender")
    assert forest is not None
    assert "unknown  ·  1 speakers, not judged" in forest
    method = next(method for method in contents.methods if len(method.columns) == 2)
    crossed = crossed_figure(contents, method)
    assert crossed is not None
    assert crossed.count(" speaker") == 5
    assert 'aria-label="Word error rate by gender and age_band"' in crossed


def test_a_few_who_are_not_judged_squeeze_nobody() -> None:
    rows = {"base": [{"cohort": "unknown", "wer": 0.1, "wer_high": 0.9}, {"cohort": "female", "wer": 0.1,
                                                                          "wer_high": 0.2}]}
    assert _right(rows, {"unknown"}) == pytest.approx(21)
    assert _right(rows, set()) == pytest.approx(94.5)
    assert _right(rows, {"unknown", "female"}) is None


def test_one_unknown_speaker_hides_what_would_give_them_away(tmp_path: Path) -> None:
    contents = made_contents(tmp_path, declared=True)
    assert contents.hidden["attributes-gender"] == {"unknown", "female"}
    assert contents.wer("base", "attributes-gender", "unknown") is None
    crossed = {row["cohort"] for row in contents.cohort_wer if row["method"] == "attributes-gender-age_band"}
    assert not any("unknown" in cohort or "female" in cohort for cohort in crossed)
    assert LEFT_OUT not in {method.reason for method in contents.methods}


def test_gaps_of_methods_that_search_are_drawn_without_declared_ones(contents: Contents) -> None:
    page = render_page(contents, ingest=PARAMS.ingest, report=PARAMS.report, seed=1)
    assert page.count("The method attributes-gender</td>") == 1


def test_a_dollar_sign_is_no_formula() -> None:
    assert plain("under $5") == r"under \$5"
