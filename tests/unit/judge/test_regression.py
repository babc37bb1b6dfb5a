"""What others compare by, of anybody's recogniser: on the page and in verdict.json."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from evenvoice.judge import judge_table
from evenvoice.judge.page import render_judged, verdict_json
from evenvoice.judge.settings import read_judging
from tests.builders.heard import heard, table

FAST = "evaluate.replicates=200"


def judged(rates, *changes, **world):
    return judge_table(table(rates, **world), settings=read_judging(changes=(FAST, *changes)))


def districts(size=300, seed=2):
    """Everybody errs by their accent; most of the north is scottish, so the north errs more."""
    rng = np.random.default_rng(seed)
    rows = heard({"scottish": 0.2, "welsh": 0.08}, speakers=size // 2, seed=seed)
    for row in rows:
        north = row["gender"] == "scottish" if rng.random() < 0.9 else rng.random() < 0.1
        row["accent"], row["district"] = row.pop("gender"), "north" if north else "south"
    return rows


def test_every_system_is_regressed_under_its_own_name_and_plain_as_json():
    told = judged({"female": {"pred_text_a": 0.1, "pred_text_b": 0.2}, "male": 0.1},
                  systems=("pred_text_a", "pred_text_b"))
    content = json.loads(json.dumps(verdict_json(told), allow_nan=False))
    assert set(content["regression"]) == {"a", "b"}
    gender = content["regression"]["b"]["columns"][0]
    assert (gender["partition"], gender["df"]) == ("attributes-gender", 1)
    assert gender["p"] < 1e-4 < content["regression"]["a"]["columns"][0]["p"]
    assert content["regression"]["b"]["contradictions"] == []


def test_a_district_that_another_column_is_behind_is_said_so_on_the_page():
    told = judge_table(pa.Table.from_pylist(districts()), by=["accent", "district"],
                       settings=read_judging(changes=(FAST,)))
    (sentence,) = verdict_json(told)["regression"]["pred_text"]["contradictions"]
    assert sentence.startswith("By district the gate finds north beyond its limit, but with accent alike ")
    assert sentence.endswith("accent may be behind it.")
    assert sentence.replace(" %", "\u00a0%") in render_judged(told, "pred_text", {})


def test_a_hidden_group_is_in_no_figure_and_takes_faas_with_it():
    rows = [*heard({"female": 0.1, "male": 0.1}), *heard({"other": 0.5}, speakers=3)]
    told = judge_table(pa.Table.from_pylist(rows), settings=read_judging(changes=(FAST,)))
    found = verdict_json(told)["regression"]["pred_text"]
    assert "smaller groups" in told.hidden["attributes-gender"]
    assert (found["faas"], found["columns"][0]["p"]) == (None, None)
    assert "smaller groups" not in str(found)
    page = render_judged(told, "pred_text", {})
    assert "tell about all its groups" in page


def test_links_of_the_page_lead_somewhere_and_its_notes_are_whole():
    page = render_judged(judged({"female": 0.1, "male": 0.1}), "pred_text", {})
    targets = {part.split('"')[0] for part in page.split('href="#')[1:]}
    assert {target for target in targets if f'id="{target}"' not in page} == set()
    assert "everybody is in one of each. 1 partition by gender and their crossings" in page
    assert ". . " not in page


def test_values_that_the_table_does_not_know_are_listed():
    page = render_judged(judged({"female": 0.1, "genderfluid": 0.1}), "pred_text", {})
    assert "speakers have a value of gender that the table of values does not know" in page
    assert "&#39;genderfluid&#39; 40" in page


@pytest.mark.parametrize(("unit", "name"), [("word", "Word"), ("character", "Character")])
def test_a_rate_is_called_by_what_is_counted(unit, name):
    page = render_judged(judged({"female": 0.1, "male": 0.1}, unit=unit), "pred_text", {})
    assert f"<h2>{name} error rate per cohort</h2>" in page
    assert f"{unit} error rate on test speakers" in page


def test_the_widest_gap_of_the_spellings_is_of_a_group_that_is_shown():
    rows = [*heard({"female": 0.1, "male": 0.1}), *heard({"other": 0.9}, speakers=13)]
    told = judge_table(pa.Table.from_pylist(rows), settings=read_judging(changes=(FAST, "report.min_speakers=14")))
    assert "other" in told.hidden["attributes-gender"]
    widest = max(row.gap for row in told.judged.verdicts["pred_text"].cohorts)
    assert f'<td class="n">{100 * widest:.0f} %</td>' not in render_judged(told, "pred_text", {})
