"""The amortized model and its dense control, files to files: trained alike, transcribed, timed, or left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from evenvoice.data.schemas import CURVE, WORK
from evenvoice.data.tables import read_table
from evenvoice.models.recogniser import Recogniser
from evenvoice.params import Params, load_params
from evenvoice.storage import read_json, write_json
from stages import amortize, paths, timing, transcribe
from tests.builders.models import FEATURIZE, TEXTS, tiny_recogniser, tiny_train, weights, write_features

SPLITS = ["train"] * 6 + ["discover"] * 2 + ["validate"] * 3 + ["test"]


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    given = load_params()
    monkeypatch.chdir(tmp_path)
    write_features(paths.FEATURES, TEXTS * 2, SPLITS)
    tiny_recogniser(encoder="transformer").save(paths.BASE_MODEL)
    write_json(paths.BASE_MODEL / "summary.json", {})
    enabled = given.amortize.model_copy(update={"enabled": True, "steps": 3, "hidden": 4, "warmup_share": 0.0,
                                                "learning_rate": 0.01})
    return given.model_copy(update={"train": tiny_train(), "featurize": FEATURIZE, "amortize": enabled})


def changed(params: Params, **settings: Any) -> Params:
    return params.model_copy(update={"amortize": params.amortize.model_copy(update=settings)})


def curve(model: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_table(paths.MODELS / model / "curve.parquet", CURVE).to_pylist()
    return rows


def test_both_train_on_from_the_base_and_only_one_has_gates(params: Params) -> None:
    for name in ("dense", "amortized"):
        amortize.main(params, name)
    dense, amortized = (Recogniser.load(paths.MODELS / name) for name in ("dense", "amortized"))
    assert (dense.is_gated, amortized.is_gated) == (False, True)
    assert not torch.equal(weights(dense), weights(Recogniser.load(paths.BASE_MODEL)))
    assert read_json(paths.MODELS / "dense" / "summary.json")["control"] is True
    assert read_json(paths.MODELS / "amortized" / "summary.json")["control"] is False
    assert [row["executed_share"] for row in curve("dense")] == [None] * 3
    assert all(0 < row["executed_share"] < 1.2 for row in curve("amortized"))
    assert not list(paths.CHECKPOINTS.glob("*/*"))


def test_both_hear_the_same_speech_for_as_long(params: Params) -> None:
    for name in ("dense", "amortized"):
        amortize.main(params, name)
    heard = [read_json(paths.MODELS / name / "summary.json") for name in ("dense", "amortized")]
    assert heard[0]["steps"] == heard[1]["steps"] == 3
    assert heard[0]["audio_s"] == heard[1]["audio_s"]


def test_a_heavier_weight_leaves_less_work(params: Params) -> None:
    shares = []
    for weight in (0.0, 300.0):
        amortize.main(changed(params, steps=25, weight=weight, target="none", learning_rate=0.02), "amortized")
        shares.append(curve("amortized")[-1]["executed_share"])
    assert shares[1] < shares[0] - 0.2


def test_one_arbitrator_may_decide_for_all(params: Params) -> None:
    amortize.main(changed(params, arbitrators="one"), "amortized")
    assert Recogniser.load(paths.MODELS / "amortized").description.architecture.encoder.gates.see == "stem"


def test_work_is_written_of_every_recording_of_a_gated_model_alone(params: Params) -> None:
    for name in ("dense", "amortized"):
        amortize.main(params, name)
        transcribe.main(params, name)
    work = read_table(paths.HYPOTHESES / "amortized" / "work.parquet", WORK)
    assert work.num_rows == 6
    assert not (paths.HYPOTHESES / "dense" / "work.parquet").exists()
    shares = read_json(paths.HYPOTHESES / "amortized" / "compute.json")["executed_share"]
    assert set(shares) == {"encoder", "speech", "silence"}


def test_times_are_of_both_models_by_name(params: Params) -> None:
    for name in ("dense", "amortized"):
        amortize.main(params, name)
    timing.main(params)
    found = read_json(paths.TIMING)
    assert set(found["models"]) == {"dense", "amortized"}
    assert found["stream"]["ratio"] == pytest.approx(found["stream"]["rtf"] / found["stream"]["reference_rtf"])


def test_without_them_the_base_model_stands_in_their_place_and_nothing_is_timed(params: Params) -> None:
    given = changed(params, enabled=False)
    for name in ("dense", "amortized"):
        amortize.main(given, name)
        assert read_json(paths.MODELS / name / "summary.json")["left_out"] is True
        assert torch.equal(weights(Recogniser.load(paths.MODELS / name)), weights(Recogniser.load(paths.BASE_MODEL)))
    timing.main(given)
    assert read_json(paths.TIMING)["left_out"] is True
