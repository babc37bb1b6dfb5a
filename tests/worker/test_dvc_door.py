"""The one door to DVC: the same dvc.lock as DVC's own, replaced whole, and every entry kept when stages run at once."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from evenvoice import dvc_lock
from tests.builders.checkout import small_checkout
from worker import dvc_door


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    return small_checkout(tmp_path / "checkout")


def started(workspace: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(dvc_door.command(*arguments), cwd=workspace, stdout=subprocess.DEVNULL,
                            env={**os.environ, "PYTHONPATH": str(dvc_door.CODE)})


def test_the_lock_is_what_dvc_itself_would_write(workspace: Path, tmp_path: Path) -> None:
    other = small_checkout(tmp_path / "other")

    dvc_door.run("repro", directory=workspace).check_returncode()
    subprocess.run([sys.executable, "-m", "dvc", "repro"], cwd=other, check=True, capture_output=True)

    ours, theirs = (yaml.safe_load((place / "dvc.lock").read_text(encoding="utf-8")) for place in (workspace, other))
    assert ours == theirs
    assert set(ours["stages"]) == {"first", "second@a", "second@b", "report"}


def test_dvc_itself_takes_the_lock_for_its_own(workspace: Path) -> None:
    dvc_door.run("repro", directory=workspace).check_returncode()

    said = subprocess.run([sys.executable, "-m", "dvc", "status"], cwd=workspace, check=True, capture_output=True,
                          text=True)

    assert "up to date" in said.stdout


def test_stages_that_end_at_once_both_keep_their_entries_and_readers_never_see_half_a_file(workspace: Path) -> None:
    dvc_door.run("repro", "--single-item", "first", directory=workspace).check_returncode()
    over = threading.Event()
    seen: list[set[str]] = []

    def read() -> None:
        while not over.is_set():
            seen.append(set(dvc_lock.entries(workspace / "dvc.lock")))

    reader = threading.Thread(target=read)
    reader.start()
    both = [started(workspace, "--wait-for-lock", "repro", "--single-item", f"second@{item}") for item in "ab"]
    statuses = [process.wait() for process in both]
    over.set()
    reader.join()

    assert statuses == [0, 0]
    assert set(dvc_lock.entries(workspace / "dvc.lock")) == {"first", "second@a", "second@b"}
    assert all("first" in entries for entries in seen)


def test_the_state_is_restored_and_what_changed_since_is_named(workspace: Path) -> None:
    dvc_door.run("repro", directory=workspace).check_returncode()
    (workspace / "out" / "report").unlink()
    (workspace / "in.txt").write_text("changed\n", encoding="utf-8")

    said = dvc_door.run(dvc_door.STATE, directory=workspace)

    assert json.loads(said.stdout.splitlines()[-1]) == ["first"]
    assert (workspace / "out" / "report").read_text(encoding="utf-8") == "hello\n"


def test_what_dvc_refuses_is_refused_here_too(workspace: Path) -> None:
    done = dvc_door.run("repro", "nothing", directory=workspace)

    assert done.returncode != 0
    assert "nothing" in done.stderr


def test_no_setting_names_a_remote_where_results_stay_on_this_machine() -> None:
    assert dvc_door.REMOTE not in dvc_door.config(cache="/disk/cache")


def test_results_from_an_object_store_are_verified(tmp_path: Path) -> None:
    settings = configparser.ConfigParser()
    settings.read_string(dvc_door.config(cache="/disk/cache", remote="s3://speech/results"))

    assert settings["core"]["remote"] == dvc_door.REMOTE
    assert settings["cache"]["dir"] == "/disk/cache"
    assert dict(settings[f"'remote \"{dvc_door.REMOTE}\"'"]) == {"url": "s3://speech/results", "verify": "true"}
