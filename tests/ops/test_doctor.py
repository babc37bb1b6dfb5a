"""`make doctor` finds earlier runs whose verdict is about something else than their models."""

from __future__ import annotations

from pathlib import Path

from evenvoice import dvc_lock
from evenvoice.storage import write_json
from ops.doctor import recorded_runs

MADE = {"train": {"outs": [{"path": "artifacts/models/base", "md5": "f" * 32}]}}


def write_run(root: Path, name: str, *, read: str, recorded: bool = True) -> None:
    run = root / ".evenvoice" / "runs" / name
    transcribe = {"deps": [{"path": "artifacts/models/base", "md5": read}], "outs": []}
    dvc_lock.write(run / "workspace" / "dvc.lock", {**MADE, "transcribe@base": transcribe})
    if recorded:
        write_json(run / "answers" / "record.json", {})


def test_a_recorded_run_that_judged_another_model_is_named(tmp_path: Path) -> None:
    write_run(tmp_path, "good", read="f" * 32)
    write_run(tmp_path, "stale", read="0" * 32)
    write_run(tmp_path, "stopped half-way", read="0" * 32, recorded=False)

    [found] = recorded_runs(tmp_path)

    assert found.found == ("stale: 1 inputs are not what was made, such as transcribe@base read artifacts/models/base "
                           "000000000000, train made ffffffffffff")
    assert "Take back the model it registered" in found.remedy


def test_a_damaged_lock_is_named_with_what_to_remove(tmp_path: Path) -> None:
    write_run(tmp_path, "damaged", read="f" * 32)
    run = tmp_path / ".evenvoice" / "runs" / "damaged"
    (run / "workspace" / "dvc.lock").write_text("{", encoding="utf-8")

    [found] = recorded_runs(tmp_path)

    assert "must be a dvc.lock" in found.found
    assert found.remedy == f"Remove {run}."


def test_where_all_is_well_it_says_of_how_many(tmp_path: Path) -> None:
    write_run(tmp_path, "good", read="f" * 32)

    assert [(found.found, found.remedy) for found in recorded_runs(tmp_path)] == [
        ("1 recorded, each about what it made", "")]
