"""What of a judgement is handed to MLflow: the names of a run of the pipeline, and nothing of a small cohort."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest

from evenvoice.errors import ParamsError, PreflightError
from evenvoice.judge import Reading, judge_table
from evenvoice.judge.settings import read_judging
from evenvoice.tracking.judged import digest, figures, params, registry, tags
from tests.builders.heard import table

EQUAL = {"female": 0.1, "male": 0.1}
SEVERAL = {"female": {"pred_text_old": 0.1, "pred_text_a+b/c": 0.2}, "male": {"pred_text_old": 0.1,
                                                                             "pred_text_a+b/c": 0.1}}


def judged(rates=EQUAL, *changes, reading=None, **world):
    settings = read_judging(changes=("evaluate.replicates=200", "evaluate.null_partitions=50", *changes))
    return judge_table(table(rates, **world), settings=settings, reading=reading)


@pytest.fixture(scope="module")
def several():
    return judged(SEVERAL, systems=("pred_text_old", "pred_text_a+b/c"))


@pytest.fixture(scope="module")
def equal():
    return judged()


def test_figures_have_the_names_that_those_of_a_run_have():
    told = judged({"female": 0.2, "male": 0.1})
    assert sorted(figures(told)) == [
        "gap/attributes-gender/female/everyone else/base/test", "gap/attributes-gender/male/everyone else/base/test",
        "regression/faas/base/test", "regression/p/base/test/attributes-gender",
        *(f"regression/rate_ratio/base/test/attributes-gender/{group}" for group in ("female", "male")),
        "speakers/test/attributes-gender/female", "speakers/test/attributes-gender/male", "speakers/test/whole",
        *(f"{figure}/base/test/{scope}" for figure in ("wer", "wer_high", "wer_low") for scope in
          ("attributes-gender/female", "attributes-gender/male", "whole"))]
    verdict = told.verdict("pred_text")
    assert figures(told)["wer/base/test/whole"] == verdict["whole"]["wer"]
    assert figures(told)["gap/attributes-gender/female/everyone else/base/test"] == verdict["cohorts"][0]["gap"]


def test_the_base_goes_by_base_and_others_by_their_own_names_in_characters_that_mlflow_takes(several):
    found = figures(several)
    assert {name.split("/")[1] for name in found if name.startswith("wer/")} == {"base", "a_2bb_2fc"}
    assert found["relative/a_2bb_2fc/test/attributes-gender/female"] == pytest.approx(1.0, abs=0.3)
    assert "gap/attributes-gender/female/everyone else/a_2bb_2fc/test" in found


def test_what_the_ranking_of_cohorts_decides_is_left_out_where_the_judged_were_ranked_themselves(equal):
    assert [name for name in figures(equal) if "spread" in name] == []
    apart = figures(judged({"female": 0.2, "male": 0.1}, "gate.reference=top", speakers=80))
    assert {"spread/attributes-gender/base/test", "null_spread/attributes-gender/base/test",
            "gap/attributes-gender/female/male/base/test"} <= set(apart)


def test_a_small_group_and_what_would_give_it_away_are_left_out():
    rates = {**EQUAL, "other": 0.4}
    shown, hidden = (figures(judged(rates, f"report.min_speakers={least}")) for least in (2, 41))
    assert [name for name in shown if "other" in name]
    assert [name for name in hidden if "attributes-gender" in name] == []
    assert "wer/base/test/whole" in hidden


def test_settings_and_how_texts_were_read_are_parameters():
    found = params(judged(EQUAL, "gate.max_gap=0.3", reading=Reading(normaliser="none")))
    assert (found["gate.max_gap"], found["split.validate"]) == ("0.3", "0.2")
    assert (found["normaliser"], found["unit"]) == ("none", "word")


def test_every_verdict_and_every_input_is_a_tag(several):
    found = tags(replace(several, inputs=replace(several.inputs, files={"hyp.tsv": "0" * 64})))
    assert found["evenvoice.verdict"] == found["evenvoice.verdict.a_2bb_2fc"] == several.judged.outcome
    assert (found["evenvoice.base"], found["evenvoice.input.1"]) == ("old", f"{'0' * 64}  hyp.tsv")


@pytest.mark.parametrize(("changes", "world", "reading"), [
    (["gate.max_gap=0.4"], {}, None), ([], {"seed": 2}, None), ([], {"speakers": 41}, None),
    ([], {}, Reading(normaliser="none"))], ids=["settings", "what was written", "speakers", "normaliser"])
def test_all_that_a_judgement_depends_on_is_in_its_digest(equal, changes, world, reading):
    assert digest(judged(EQUAL, *changes, reading=reading, **world)) != digest(equal)


def test_the_same_judgement_has_the_same_digest_wherever_its_files_lie(equal):
    here, there = (replace(equal, inputs=replace(equal.inputs, files={name: "0" * 64})) for name in ("a.tsv", "b.tsv"))
    assert digest(here) == digest(there) != digest(equal) == digest(judged())


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/mlruns", "hyp.tsv"])
def test_a_folder_of_files_is_no_registry(uri):
    with pytest.raises(ParamsError, match=r"--record must be a server .* or a database"):
        registry(uri)
    with pytest.raises(ParamsError, match="MLFLOW_TRACKING_URI must be a server"):
        registry(environment={"MLFLOW_TRACKING_URI": uri})


def test_without_a_uri_the_environment_decides(tmp_path):
    home = {"EVENVOICE_HOME": str(tmp_path)}
    assert registry(environment=home).tracking_uri == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    assert registry(environment={**home, "MLFLOW_TRACKING_URI": "http://mlflow"}).tracking_uri == "http://mlflow"
    assert registry("http://other", {"MLFLOW_TRACKING_URI": "http://mlflow"}).tracking_uri == "http://other"


def test_where_mlflow_is_not_installed_a_person_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr("evenvoice.tracking.judged.find_spec",
                        lambda name: None if name == "mlflow" else importlib.util.find_spec(name))
    with pytest.raises(PreflightError, match=r'must be installed .* pip install "evenvoice\[control\]"') as found:
        registry("http://mlflow")
    assert found.value.exit_code == 3
