"""What a run left: the same paths the stages write, and a verdict that makes sense."""

from pathlib import Path

import pytest

from evenvoice import dvc_lock
from evenvoice.errors import ArtifactError
from evenvoice.storage import write_json, write_text
from evenvoice.tracking.run_files import RunFiles
from stages import paths
from tests.builders.run_files import CORPUS_HASH, write_run


def test_the_paths_are_those_that_the_stages_write() -> None:
    files = RunFiles(Path())
    assert (files.evaluation, files.verdict_file, files.report, files.model_card) == (
        paths.EVALUATION, paths.VERDICT, paths.REPORT, paths.MODEL_CARD)
    assert files.model("base") == paths.BASE_MODEL
    assert files.compute("base").parent.parent == paths.HYPOTHESES


def test_the_data_hash_is_the_one_that_dvc_gave_the_corpus(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert write_run(tmp_path / "workspace", model=tmp_path / "model").data_hash() == CORPUS_HASH


@pytest.mark.parametrize("lock", ["stages: {}\n", "stages: {ingest: {outs: []}}\n", "- 1\n", "{"])
def test_a_lock_without_the_corpus_is_refused_by_name(tmp_path: Path, lock: str) -> None:
    write_text(tmp_path / "dvc.lock", lock)
    with pytest.raises(ArtifactError, match=r"dvc\.lock must (hold the hash of artifacts/corpus|be a dvc\.lock)"):
        RunFiles(tmp_path).data_hash()


@pytest.mark.parametrize("content", [[], {}, {"verdict": "MAYBE", "challenger": "ewc"}, {"verdict": "PASS"}])
def test_a_verdict_that_says_nothing_is_refused(tmp_path: Path, content: object) -> None:
    write_json(tmp_path / "reports/verdict.json", content)
    with pytest.raises(ArtifactError, match=r"verdict\.json, (verdict|challenger) must"):
        _ = RunFiles(tmp_path).judgement


def test_a_run_whose_stages_read_what_was_made_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    write_run(tmp_path / "workspace", model=tmp_path / "model").demand_one_origin()


def test_a_run_in_which_a_stage_read_another_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    files = write_run(tmp_path / "workspace", model=tmp_path / "model")
    dvc_lock.write(files.dvc_lock, {
        "train": {"outs": [{"path": "artifacts/models/base", "md5": "f" * 32}]},
        "transcribe@base": {"deps": [{"path": "artifacts/models/base", "md5": "0" * 32}], "outs": []}})

    with pytest.raises(ArtifactError, match=r"transcribe@base read artifacts/models/base 000.*, train made fff"):
        files.demand_one_origin()


def test_a_verdict_about_another_model_than_the_one_beside_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    files = write_run(tmp_path / "workspace", model=tmp_path / "model")
    write_json(files.model("ewc") / "config.json", {"weights_sha256": "newer weights"})

    with pytest.raises(ArtifactError, match=r"verdict\.json says of 'ewc' must come from the model in"):
        files.demand_one_origin()
