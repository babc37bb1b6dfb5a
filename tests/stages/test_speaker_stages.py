"""The stages train_speaker and embed from files to files."""

import numpy as np
import pytest

from evenvoice.data.schemas import CURVE, EMBEDDINGS, WEIGHING
from evenvoice.data.tables import read_table
from evenvoice.params import load_params
from evenvoice.storage import read_json
from stages import embed, paths, train_speaker
from tests.builders.speakers import write_voices

SPEAKERS = {"train": 8, "discover": 4, "validate": 3, "test": 4}


@pytest.fixture
def params():
    loaded = load_params()
    quick = loaded.train_speaker.model_copy(update={"encoder": "conv", "steps": 5, "width": 16, "embedding": 8})
    return loaded.model_copy(update={"train_speaker": quick})


@pytest.fixture
def workspace(tmp_path, monkeypatch, params):
    monkeypatch.chdir(tmp_path)
    write_voices(paths.FEATURES, speakers=SPEAKERS)
    return tmp_path


def test_training_leaves_model_curve_weighing_and_summary(workspace, params):
    train_speaker.main(params, "pw")
    model = paths.SPEAKER_MODELS / "pw"
    assert {path.name for path in model.iterdir()} == {"model.safetensors", "config.json", "hearing.json",
                                                       "curve.parquet", "weighing.parquet", "summary.json"}
    assert read_table(model / "curve.parquet", CURVE)["step"].to_pylist() == [1, 2, 3, 4, 5]
    assert read_table(model / "weighing.parquet", WEIGHING)["epoch"].to_pylist()[0] == 2
    summary = read_json(model / "summary.json")
    assert (summary["weighting"], summary["train_speakers"]) == ("pw", 8)


def test_every_speaker_of_every_split_gets_one_embedding_of_unit_length(workspace, params):
    train_speaker.main(params, "none")
    embed.main(params)
    rows = read_table(paths.EMBEDDINGS / "embeddings.parquet", EMBEDDINGS).to_pylist()
    assert len(rows) == sum(SPEAKERS.values())
    assert {(row["speaker"], row["split"]) for row in rows} >= {("train-7", "train"), ("test-3", "test")}
    assert [np.linalg.norm(row["embedding"]) for row in rows] == pytest.approx([1.0] * len(rows), abs=1e-5)


def test_running_again_gives_the_same_embeddings(workspace, params):
    contents = []
    for _ in range(2):
        train_speaker.main(params, "none")
        embed.main(params)
        contents.append((paths.EMBEDDINGS / "embeddings.parquet").read_bytes())
    assert contents[0] == contents[1]
