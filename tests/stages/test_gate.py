"""The gate stage, files to files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evenvoice.data.schemas import COMPARISONS, VARIANCES
from evenvoice.data.tables import rows_table, write_table
from evenvoice.errors import ArtifactError, GateError
from evenvoice.metrics.partitions import Partition
from evenvoice.metrics.speakers import SplitTable, write_speakers
from evenvoice.params import METHODS, Params, load_params
from evenvoice.storage import read_json, write_json
from stages import gate
from tests.builders.origins import made_origins, write_identity
from tests.builders.tables import Made, made_partition, made_split, no_partition
from tests.builders.wanted import write_wanted

PARTITIONS = (made_partition({"north": 0.2, "south": 0.1}),
              *(no_partition(method, f"nothing for {method}", asked=method not in ("watched", "attributes"))
                for method in METHODS[1:]))


def everywhere(test: SplitTable) -> SplitTable:
    nowhere = {method: [None] * len(test.speakers) for method in METHODS}
    return SplitTable(split=test.split, speakers=test.speakers, words=test.words, errors=test.errors,
                      cohorts={**nowhere, **test.cohorts})  # type: ignore[dict-item]


def write_inputs(north: Made, partitions: tuple[Partition, ...] = PARTITIONS, *, overlap: object = False) -> None:
    test = everywhere(made_split({"north": north, "south": Made(100, 0.1)}, {"ewc": 0.95}))
    write_speakers(Path("artifacts/evaluation/speakers.parquet"), [test], METHODS)
    write_json(Path("artifacts/evaluation/methods.json"), {one.method: one.to_json() for one in partitions})
    write_json(Path("artifacts/evaluation/selection.json"), {
        "challenger": "ewc", "method": "geographic", "bottom": "north",
        "candidates": [{"model": "base", "control": False}, {"model": "ewc", "control": False},
                       {"model": "placebo", "control": True}]})
    change = {"relative": -0.142, "relative_low": -0.2, "relative_high": -0.08}
    write_table(Path("artifacts/evaluation/comparisons.parquet"), rows_table(
        [{"arm": arm, "split": split, "method": method, "cohort": cohort, "speakers": 100, "base_wer": 0.1,
          "arm_wer": 0.1, **(change if (arm, split) == ("ewc", "test") else dict.fromkeys(change, 0.0))}
         for arm in ("ewc", "placebo") for split in ("validate", "test")
         for method, cohort in (("geographic", "north"), ("whole", "whole"))], COMPARISONS))
    write_table(Path("artifacts/evaluation/variances.parquet"), rows_table(
        [{"arm": "ewc", "split": "test", "method": "geographic", "base_variance": 0.01, "arm_variance": 0.007,
          "relative": -0.3, "relative_low": -0.5, "relative_high": -0.1}], VARIANCES))
    write_json(Path("artifacts/evaluation/origins.json"),
               made_origins(Path("artifacts/models"), ("base", "ewc", "placebo")).to_json())
    write_json(Path("artifacts/corpus/summary.json"), {"labelled": "recorded", "speakers_overlap": overlap})
    write_wanted(Path("artifacts/wanted.json"), write_identity(Path("artifacts/models"), "base"))


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    params = load_params()
    monkeypatch.chdir(tmp_path)
    return params


def test_the_verdict_is_written_and_its_reasons_are_the_last_lines(params: Params, capsys: pytest.CaptureFixture[str]
                                                                   ) -> None:
    write_inputs(Made(100, 0.1))
    gate.main(params)
    verdict = read_json(Path("reports/verdict.json"))
    assert (verdict["verdict"], verdict["challenger"], verdict["base"]) == ("PASS", "ewc", "base")
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["PASS (ewc against base)", *(f"- {reason}" for reason in verdict["reasons"])]
    assert lines[-1] == "- The clusters method does not apply: nothing for clusters."


def test_a_method_that_nobody_asked_for_is_not_said_to_have_found_nothing(params: Params) -> None:
    silent = f"The {METHODS[-1]} method does not apply"
    write_inputs(Made(100, 0.1))
    gate.main(params)
    assert silent not in str(read_json(Path("reports/verdict.json")))
    write_inputs(Made(100, 0.1), (*PARTITIONS[:-1], replace(PARTITIONS[-1], asked=True)))
    gate.main(params)
    assert silent in str(read_json(Path("reports/verdict.json")))


def test_an_unfavourable_verdict_is_a_result_and_no_error(params: Params) -> None:
    write_inputs(Made(100, 0.3))
    gate.main(params)
    verdict = read_json(Path("reports/verdict.json"))
    assert verdict["verdict"] == "FAIL"
    assert verdict["cohorts"][0]["gap"] == pytest.approx(2, abs=0.1)
    assert verdict["cohorts"][0]["decision"] == "exceeds"


def test_the_corpus_says_whether_test_speakers_were_trained_on(params: Params) -> None:
    write_inputs(Made(100, 0.1), overlap=True)
    gate.main(params)
    verdict = read_json(Path("reports/verdict.json"))
    assert (verdict["verdict"], verdict["speakers_overlap"]) == ("INSUFFICIENT", True)


def test_a_corpus_that_does_not_say_whether_speakers_overlap_is_not_judged(params: Params) -> None:
    write_inputs(Made(100, 0.1))
    write_json(Path("artifacts/corpus/summary.json"), {})
    with pytest.raises(GateError, match="must say 'speakers_overlap'"):
        gate.main(params)
    write_json(Path("artifacts/corpus/summary.json"), {"speakers_overlap": None})
    with pytest.raises(GateError, match="must be true or false"):
        gate.main(params)


def test_the_verdict_says_what_the_speech_is_or_there_is_none(params: Params) -> None:
    write_inputs(Made(100, 0.1))
    write_json(Path("artifacts/corpus/summary.json"), {"labelled": "semi-synthetic", "speakers_overlap": False})
    gate.main(params)
    assert read_json(Path("reports/verdict.json"))["labelled"] == "semi-synthetic"
    write_json(Path("artifacts/corpus/summary.json"), {"speakers_overlap": False})
    with pytest.raises(GateError, match="must say 'labelled'"):
        gate.main(params)


def test_a_method_that_is_missing_from_the_evaluation_is_not_skipped(params: Params) -> None:
    write_inputs(Made(100, 0.1), PARTITIONS[:2])
    with pytest.raises(GateError, match="must say 'clusters'"):
        gate.main(params)
    assert not Path("reports/verdict.json").exists()


def test_a_missing_table_is_not_judged(params: Params) -> None:
    write_inputs(Made(100, 0.1))
    Path("artifacts/evaluation/speakers.parquet").unlink()
    with pytest.raises(ArtifactError, match=r"speakers\.parquet must exist"):
        gate.main(params)


def test_figures_of_a_model_that_was_trained_anew_are_not_judged(params: Params) -> None:
    write_inputs(Made(100, 0.1))
    write_json(Path("artifacts/models/ewc/config.json"), {"units_sha256": "a", "weights_sha256": "newer weights"})

    with pytest.raises(ArtifactError, match=r"what artifacts/evaluation says of 'ewc' must come from the model in "
                                            r"artifacts/models/ewc .* FORCE_STAGE=evaluate"):
        gate.main(params)

    assert not Path("reports/verdict.json").exists()


def test_the_verdict_says_which_models_it_is_about(params: Params) -> None:
    write_inputs(Made(100, 0.1))
    gate.main(params)

    assert read_json(Path("reports/verdict.json"))["origins"] == made_origins(
        Path("artifacts/models"), ("base", "ewc")).to_json()


def test_the_verdict_says_what_was_healed_with_the_intervals_of_the_evaluation_beside_the_control(params: Params
                                                                                                  ) -> None:
    write_inputs(Made(100, 0.1))
    gate.main(params)

    healed = read_json(Path("reports/verdict.json"))["healed"]
    assert healed["challenger"]["bottom"] == {"relative": -0.142, "relative_low": -0.2, "relative_high": -0.08}
    assert healed["challenger"]["variance"]["relative"] == -0.3
    assert [control["arm"] for control in healed["controls"]] == ["placebo"]
    assert healed["sentence"] == (
        "north -14 % (-20 to -8 %), everyone -14 % (-20 to -8 %), variance over geographic cohorts -30 % (-50 to -10 "
        "%); the control placebo: 0 %, 0 %, unknown")


def test_nothing_was_healed_where_the_base_model_stays(params: Params) -> None:
    write_inputs(Made(100, 0.1))
    write_json(Path("artifacts/evaluation/selection.json"), {"challenger": "base"})
    gate.main(params)

    assert read_json(Path("reports/verdict.json"))["healed"] is None


def test_the_verdict_says_whose_speech_is_wanted(params: Params) -> None:
    write_inputs(Made(100, 0.1))
    gate.main(params)

    wanted = read_json(Path("reports/verdict.json"))["wanted"]
    assert wanted["sentence"].startswith("About 71 (40 to 160) more training speakers of region-1")
    assert "origin" not in wanted


def test_a_forecast_for_another_base_model_is_refused(params: Params) -> None:
    write_inputs(Made(100, 0.1))
    write_wanted(Path("artifacts/wanted.json"), write_identity(Path("artifacts/models"), "ewc"))

    with pytest.raises(ArtifactError, match="FORCE_STAGE=wanted"):
        gate.main(params)
