"""`evenvoice judge --model`: models of a real registry, ours and somebody else's, hear a corpus and are judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evenvoice.__main__ import main
from evenvoice.judge.utterances import Utterance, read_table
from tests.builders.corpora import speakers_corpus, write_manifest
from tests.builders.registry import World

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # MLflow and SQLAlchemy warn about each other
]
THEIRS = """
import mlflow.pyfunc
from mlflow.models import set_model

class Theirs(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [{"text": "turn it up" if "voice00" in file else "turn it"} for file in model_input["file"]]

set_model(Theirs())
"""
QUICK = ["--by", "gender", "--set", "evaluate.replicates=300", "--set", "discover.min_speakers=4"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rows = speakers_corpus(tmp_path / "corpus")
    write_manifest(tmp_path / "corpus", [{**row, "gender": "fm"[int(row["speaker"][-1]) % 2]} for row in rows])
    return tmp_path / "corpus"


@pytest.fixture
def judge(world: World, corpus: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", world.location.tracking_uri)
    monkeypatch.setenv("EVENVOICE_HOME", str(world.location.home))

    def run(*arguments: str) -> int:
        return main(["judge", "--corpus", str(corpus), "--out", str(tmp_path / "judged"), *QUICK, *arguments])

    return run


def register_theirs(world: World, folder: Path) -> None:
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    mlflow.set_tracking_uri(world.location.tracking_uri)
    (folder / "theirs.py").write_text(THEIRS, encoding="utf-8")
    experiment = mlflow.create_experiment("theirs", artifact_location=str(folder / "artifacts"))
    with mlflow.start_run(experiment_id=experiment):
        mlflow.pyfunc.log_model(
            name="theirs", python_model=str(folder / "theirs.py"), registered_model_name="theirs", pip_requirements=[],
            signature=ModelSignature(inputs=Schema([ColSpec(DataType.string, "file")])))


def hypotheses(tmp_path: Path) -> list[Utterance]:
    return list(read_table(tmp_path / "judged.heard" / "hypotheses.parquet"))


def test_ours_and_theirs_hear_one_corpus_and_are_judged_beside_each_other(
        world: World, tmp_path: Path, judge, capsys: pytest.CaptureFixture[str]) -> None:
    world.registered("run-1")
    register_theirs(world, tmp_path)
    status = judge("--model", "models:/theirs/latest", "--model", "models:/evenvoice-asr@challenger")
    content = json.loads((tmp_path / "judged" / "verdict.json").read_text(encoding="utf-8"))
    assert status == {"PASS": 0, "FAIL": 1, "INSUFFICIENT": 4}[content["verdict"]]
    assert content["systems"] == ["theirs-1", "evenvoice-asr-1"]
    assert content["inputs"]["files"].keys() >= {"models:/theirs/1", "models:/evenvoice-asr/1"}
    heard = hypotheses(tmp_path)
    assert {utterance.written["theirs-1"] for utterance in heard} == {"turn it up", "turn it"}
    assert all(isinstance(utterance.written["evenvoice-asr-1"], str) for utterance in heard)
    published = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "judged").iterdir())
    assert "voice0" not in published
    assert "judge theirs-1" not in capsys.readouterr().out


def test_what_a_model_wrote_is_judged_again_as_a_table(world: World, tmp_path: Path, judge) -> None:
    register_theirs(world, tmp_path)
    status = judge("--model", "models:/theirs/1")
    assert main(["judge", str(tmp_path / "judged.heard" / "hypotheses.parquet"), "--out", str(tmp_path / "again"),
                 *QUICK]) == status
    first, again = (json.loads((tmp_path / name / "verdict.json").read_text(encoding="utf-8"))["verdicts"]
                    for name in ("judged", "again"))
    assert {name: verdict["cohorts"] for name, verdict in first.items()} == {
        name: verdict["cohorts"] for name, verdict in again.items()}


def test_a_model_that_is_not_there_or_takes_something_else_is_refused(
        world: World, tmp_path: Path, judge, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge("--model", "models:/theirs/1") == 3
    assert "TrackingError: MLflow at sqlite" in capsys.readouterr().err
    register_theirs(world, tmp_path)
    assert judge("--model", "models:/theirs/1", "--feed", "arrays") == 3
    assert "must take recordings as arrays, and need nothing else, got a signature of file (string)" in (
        capsys.readouterr().err)
    assert not (tmp_path / "judged").exists()
