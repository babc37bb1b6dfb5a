"""What others compare by, on the page: a section of its own, without groups that are too small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evenvoice.params import load_params
from evenvoice.report import Contents, render_page
from evenvoice.report.figures import ratios_figure
from evenvoice.storage import read_json
from tests.builders.report import made_contents, write_evaluation

PARAMS = load_params(Path(__file__).parents[3] / "params.yaml")


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    return made_contents(tmp_path_factory.mktemp("run"), declared=True, minimum=1)


def page(contents: Contents) -> str:
    return render_page(contents, ingest=PARAMS.ingest, report=PARAMS.report, seed=1)


def test_base_and_challenger_are_regressed_and_no_other_model(tmp_path: Path) -> None:
    sources = write_evaluation(tmp_path, declared=True)
    found = read_json(sources.evaluation / "regression.json")
    assert set(found) == {"base", read_json(sources.evaluation / "selection.json")["challenger"]}
    assert [column["partition"] for column in found["base"]["columns"]] == ["attributes-gender",
                                                                            "attributes-age_band"]


def test_each_column_is_drawn_and_tested_and_faas_stands_beside_wer(contents: Contents) -> None:
    text = page(contents)
    found = contents.regression[contents.challenger]
    assert '<a href="#others">' in text
    assert "Rate ratios, attributes-gender" in text
    assert "Rate ratios, attributes-age_band" in text
    assert f'<td class="n">{found["faas"]:.1f}</td>' in text
    assert text.count("Likelihood ratio test against the model without it: p ") == 2


def test_a_contradiction_is_said_where_it_is_looked_for(contents: Contents) -> None:
    assert "It contradicts the gate" not in page(contents)
    said = page(replace(contents, contradictions=("By gender the gate finds old beyond its limit.",)))
    assert "<b class=\"INSUFFICIENT\">It contradicts the gate.</b> By gender" in said


def test_one_hidden_group_takes_what_tells_about_all_groups_with_it(tmp_path: Path) -> None:
    contents = made_contents(tmp_path, declared=True)
    assert contents.hidden["attributes-gender"] == {"unknown", "female"}
    for found in contents.regression.values():
        assert found["faas"] is None
        for column in found["columns"]:
            assert {group["cohort"] for group in column["groups"]}.isdisjoint(contents.hidden[column["partition"]])
            assert (column["p"], column["score"]) == (None, None)
            assert {group["predicted_wer"] for group in column["groups"]} <= {None}
    assert "tell about all its groups" in page(contents)


def test_a_corpus_that_declares_nothing_has_no_such_section(tmp_path: Path) -> None:
    contents = made_contents(tmp_path)
    assert contents.regression == {}
    assert 'id="others"' not in page(contents)
    assert 'href="#others"' not in page(contents)


def test_a_column_of_which_the_reference_alone_has_a_ratio_is_not_drawn(contents: Contents) -> None:
    (first, *_) = contents.regression[contents.challenger]["columns"]
    alone = {**first, "groups": [group for group in first["groups"] if group["cohort"] == first["reference"]]}
    assert ratios_figure(contents, alone) is None
