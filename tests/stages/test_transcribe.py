"""The transcribe stage: a model and features in, hypotheses and compute out."""

import json

import pytest

from evenvoice.data.schemas import HYPOTHESES
from evenvoice.data.tables import read_table
from evenvoice.params import load_params
from evenvoice.storage import write_json
from stages import transcribe
from tests.builders.models import TEXTS, tiny_recogniser, write_features

SPLITS = ("train", "discover", "discover", "validate", "test", "test")


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    params = load_params()
    monkeypatch.chdir(tmp_path)
    write_features(tmp_path / "artifacts/features", TEXTS, SPLITS)
    for model in ("base", "ewc"):
        tiny_recogniser().save(tmp_path / "artifacts/models" / model)
        write_json(tmp_path / "artifacts/models" / model / "summary.json", {})
    return params


def test_an_arm_that_the_run_leaves_out_is_not_listened_to(workspace, tmp_path):
    write_json(tmp_path / "artifacts/models/ewc/summary.json", {"left_out": True})
    transcribe.main(workspace, "ewc")
    table = read_table(tmp_path / "artifacts/hypotheses/ewc/hypotheses.parquet", HYPOTHESES)
    assert table.num_rows == 0


@pytest.mark.parametrize("model", ["base", "ewc"])
def test_everyone_but_the_training_speakers_is_transcribed(workspace, tmp_path, model):
    transcribe.main(workspace, model)
    table = read_table(tmp_path / "artifacts/hypotheses" / model / "hypotheses.parquet", HYPOTHESES)
    assert table["split"].to_pylist() == [split for split in SPLITS if split != "train"]
    compute = json.loads((tmp_path / "artifacts/hypotheses" / model / "compute.json").read_text())
    macs = compute["macs_per_audio_s"]
    assert macs["total"] == pytest.approx(macs["encoder"] + macs["predictor"] + macs["joiner"])
