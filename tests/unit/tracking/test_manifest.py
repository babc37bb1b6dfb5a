"""The manifest of a served model: altered, missing and foreign files are refused by name."""

from pathlib import Path

import pytest

from evenvoice.errors import ArtifactError
from evenvoice.storage import write_bytes, write_json
from evenvoice.tracking import manifest


@pytest.fixture
def model(tmp_path: Path) -> Path:
    directory = tmp_path / "ewc"
    write_bytes(directory / "model.safetensors", b"weights")
    write_json(directory / "config.json", {"width": 4})
    write_bytes(directory / "curve.parquet", b"losses")
    write_json(directory / "summary.json", {"seconds": 12.5})
    return directory


@pytest.fixture
def verdict(tmp_path: Path) -> Path:
    write_json(tmp_path / "verdict.json", {"verdict": "PASS"})
    return tmp_path / "verdict.json"


def test_only_what_serving_needs_is_collected(model: Path, verdict: Path, tmp_path: Path) -> None:
    manifest.collect(model, verdict, tmp_path / "served")
    assert sorted(path.name for path in (tmp_path / "served").iterdir()) == [
        "config.json", "manifest.json", "model.safetensors"]
    manifest.verify(tmp_path / "served")


def test_a_flipped_byte_is_refused_by_name(model: Path, verdict: Path, tmp_path: Path) -> None:
    manifest.collect(model, verdict, tmp_path / "served")
    (tmp_path / "served/model.safetensors").write_bytes(b"weightz")
    with pytest.raises(ArtifactError, match=r"model\.safetensors must have SHA-256"):
        manifest.verify(tmp_path / "served")


def test_a_missing_file_is_refused_by_name(model: Path, verdict: Path, tmp_path: Path) -> None:
    manifest.collect(model, verdict, tmp_path / "served")
    (tmp_path / "served/config.json").unlink()
    with pytest.raises(ArtifactError, match=r"config\.json .* no such file"):
        manifest.verify(tmp_path / "served")


def test_a_file_that_nobody_listed_is_refused_by_name(model: Path, verdict: Path, tmp_path: Path) -> None:
    manifest.collect(model, verdict, tmp_path / "served")
    (tmp_path / "served/extra.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"extra\.json must have SHA-256 not listed"):
        manifest.verify(tmp_path / "served")


def test_a_pickle_is_never_collected(model: Path, verdict: Path, tmp_path: Path) -> None:
    (model / "optimizer.pt").write_bytes(b"pickle")
    with pytest.raises(ArtifactError, match=r"optimizer\.pt must be one of"):
        manifest.collect(model, verdict, tmp_path / "served")


def test_training_time_does_not_change_the_identity_but_weights_and_verdict_do(
        model: Path, verdict: Path, tmp_path: Path) -> None:
    first = manifest.collect(model, verdict, tmp_path / "a")
    write_json(model / "summary.json", {"seconds": 99.0})
    assert manifest.collect(model, verdict, tmp_path / "b") == first
    write_json(verdict, {"verdict": "FAIL"})
    judged_anew = manifest.collect(model, verdict, tmp_path / "c")
    write_bytes(model / "model.safetensors", b"other weights")
    assert len({first, judged_anew, manifest.collect(model, verdict, tmp_path / "d")}) == 3
