"""The train stage: features and tokenizer in, a self-contained model out."""

import json

import numpy as np
import pytest
import torch

from evenvoice.data.schemas import CURVE
from evenvoice.data.tables import read_table
from evenvoice.decoding.stream import recognise
from evenvoice.models.recogniser import Recogniser
from evenvoice.params import load_params
from stages import train
from tests.builders.models import FEATURIZE, TEXTS, TOKENIZER, tiny_train, weights, write_features


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    params = load_params()
    monkeypatch.chdir(tmp_path)
    write_features(tmp_path / "artifacts/features", TEXTS)
    TOKENIZER.save(tmp_path / "artifacts/tokenizer")
    return params.model_copy(update={"train": tiny_train(), "featurize": FEATURIZE})


def test_leaves_a_model_that_loads_a_curve_and_a_summary(workspace, tmp_path):
    train.main(workspace)
    base = tmp_path / "artifacts/models/base"
    assert isinstance(recognise(Recogniser.load(base), np.zeros(8000, np.float32), 8000)[0].text, str)
    assert read_table(base / "curve.parquet", CURVE)["step"].to_pylist() == [0, 1, 2, 3]
    summary = json.loads((base / "summary.json").read_text())
    assert summary["parameters"] == Recogniser.load(base).transducer.parameter_count
    assert summary["steps"] == 4
    assert not (tmp_path / "checkpoints/base").exists()


def test_run_again_gives_the_same_weights(workspace, tmp_path):
    base = tmp_path / "artifacts/models/base"
    train.main(workspace)
    first = weights(Recogniser.load(base))
    train.main(workspace)
    assert torch.equal(weights(Recogniser.load(base)), first)
