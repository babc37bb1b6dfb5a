"""Entries that a killed DVC left in its read-write lock: only those of the stage that starts anew are stale."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from worker.stale_locks import RWLOCK, forget_the_killed


def entry(stage: str) -> dict[str, Any]:
    """As DVC writes it; the process id is one that exists, which is why DVC itself would wait for ever."""
    return {"pid": os.getpid(), "cmd": f"/venv/dvc/__main__.py --wait-for-lock repro --single-item {stage}"}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    RWLOCK.parent.mkdir(parents=True)
    return tmp_path


def test_entries_of_the_stage_go_and_those_of_others_stay(workspace: Path) -> None:
    RWLOCK.write_text(json.dumps({
        "write": {"/w/models/base": entry("train"), "/w/models/speaker": entry("train_speaker")},
        "read": {"/w/features": [entry("train"), entry("train_speaker")], "/w/tokenizer": [entry("train")]}}),
        encoding="utf-8")

    forget_the_killed("train")

    assert json.loads(RWLOCK.read_text(encoding="utf-8")) == {
        "write": {"/w/models/speaker": entry("train_speaker")}, "read": {"/w/features": [entry("train_speaker")]}}


def test_without_such_entries_nothing_is_written(workspace: Path) -> None:
    forget_the_killed("train")
    assert not RWLOCK.exists()

    RWLOCK.write_text("{}", encoding="utf-8")
    forget_the_killed("train")
    assert RWLOCK.read_text(encoding="utf-8") == "{}"
