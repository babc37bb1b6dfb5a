"""A lock in which a stage read something else than was made is found, and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evenvoice import dvc_lock
from evenvoice.errors import ArtifactError

OLD, NEW = "0" * 32, "f" * 32
TRAIN = {"deps": [{"path": "artifacts/features", "md5": OLD}], "outs": [{"path": "artifacts/models/base", "md5": NEW}]}
STALE = {"deps": [{"path": "artifacts/models/base", "md5": OLD}, {"path": "stages/transcribe.py", "md5": NEW}],
         "outs": [{"path": "artifacts/hypotheses/base", "md5": OLD}]}
FRESH = {**STALE, "deps": [{"path": "artifacts/models/base", "md5": NEW}]}


def test_a_stage_that_read_another_model_than_was_trained_is_found() -> None:
    [found] = dvc_lock.disagreements({"train": TRAIN, "transcribe@base": STALE})

    assert str(found) == "transcribe@base read artifacts/models/base 000000000000, train made ffffffffffff"


@pytest.mark.parametrize("stages", [{"train": TRAIN, "transcribe@base": FRESH}, {"transcribe@base": STALE}, {}])
def test_what_was_read_as_it_was_made_agrees_and_code_is_no_output(stages: dict[str, Any]) -> None:
    assert dvc_lock.disagreements(stages) == []


def test_one_stage_can_be_asked_for_alone() -> None:
    stages = {"train": TRAIN, "transcribe@base": STALE, "transcribe@ewc": FRESH}

    assert dvc_lock.disagreements(stages, of="transcribe@ewc") == []
    assert len(dvc_lock.disagreements(stages, of="transcribe@base")) == 1


def test_the_refusal_names_stages_hashes_and_how_to_go_on() -> None:
    stages = {"train": TRAIN, **{f"transcribe@{number}": STALE for number in range(4)}}

    with pytest.raises(ArtifactError) as refusal:
        dvc_lock.demand_agreement(stages, name="dvc.lock")

    assert str(refusal.value) == (
        "dvc.lock must say that every stage read what the stages before it made, got "
        "transcribe@0 read artifacts/models/base 000000000000, train made ffffffffffff; "
        "transcribe@1 read artifacts/models/base 000000000000, train made ffffffffffff; "
        "transcribe@2 read artifacts/models/base 000000000000, train made ffffffffffff and 1 more instead. "
        "Run transcribe@0, transcribe@1, transcribe@2, transcribe@3 again: make run FORCE_STAGE=transcribe@0.")


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    stages = {"train": TRAIN, "transcribe@base": FRESH}
    dvc_lock.write(tmp_path / "dvc.lock", stages)

    assert dvc_lock.entries(tmp_path / "dvc.lock") == stages
    assert dvc_lock.entries(tmp_path / "none") == {}


@pytest.mark.parametrize("md5", ["1234567890123456789012345678901e", "123e4567890123456789012345678901",
                                 "01234567012345670123456701234567", "0" * 32])
def test_a_hash_that_looks_like_a_number_stays_a_hash_for_every_reader(tmp_path: Path, md5: str) -> None:
    from dvc.utils.serialize import load_yaml

    stages = {"train": {"outs": [{"path": "model", "md5": md5}]}}
    dvc_lock.write(tmp_path / "dvc.lock", stages)

    assert dvc_lock.entries(tmp_path / "dvc.lock") == stages
    assert load_yaml(str(tmp_path / "dvc.lock"))["stages"] == stages


@pytest.mark.parametrize("entry", [None, 3, {"outs": 3}, {"outs": [{"path": "x"}]}, {"deps": ["x"]}])
def test_an_entry_without_paths_and_hashes_is_refused(entry: object) -> None:
    with pytest.raises(ArtifactError, match="each have a path and an md5"):
        dvc_lock.disagreements({"train": entry})
