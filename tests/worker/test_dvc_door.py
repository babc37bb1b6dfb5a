"""The one door to DVC: the same dvc.lock as DVC's own, replaced whole, and every entry kept when stages run at once."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from evenvoice import dvc_lock
from evenvoice.errors import TransientError
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


def hash_of(workspace: Path, path: str) -> str:
    return next(str(out["md5"]) for entry in dvc_lock.entries(workspace / "dvc.lock").values()
                for out in entry["outs"] if out["path"] == path)


def test_the_key_of_a_stage_is_dvcs_own_although_its_inputs_are_not_there(
        workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dvc_door.run("repro", directory=workspace).check_returncode()
    known = dvc_lock.entries(workspace / "dvc.lock")
    own = {path.parent.name for path in (workspace / ".dvc/cache/runs").rglob("*") if path.is_file()}
    inputs = {path: hash_of(workspace, path) for path in ("out/first", "out/second_a", "out/second_b")}
    shutil.rmtree(workspace / "out")
    monkeypatch.chdir(workspace)

    asked = dvc_door.Asked()
    keys = {stage: asked.key(stage, inputs, known[stage]) for stage in known}
    asked.close()

    assert {key.value for key in keys.values()} == own
    assert all(key.known_fits for key in keys.values())


def test_another_parameter_input_or_command_has_another_key(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dvc_door.run("repro", directory=workspace).check_returncode()
    known = dvc_lock.entries(workspace / "dvc.lock")
    monkeypatch.chdir(workspace)
    asked = dvc_door.Asked()

    before = asked.key("second@a", {"out/first": hash_of(workspace, "out/first")}, known["second@a"])
    other_input = asked.key("second@a", {"out/first": "0" * 32}, known["second@a"])
    params = (workspace / "params.yaml").read_text(encoding="utf-8")
    (workspace / "params.yaml").write_text(params.replace("seed: ", "seed: 1"), encoding="utf-8")
    other_seed = asked.key("first", {}, known["first"])
    asked.close()

    assert (before.known_fits, other_input.known_fits, other_seed.known_fits) == (True, False, False)
    assert before.value != other_input.value


def test_a_stage_runs_in_the_process_that_told_its_key_and_verified_inputs_are_not_read_again(
        workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dvc_door.run("repro", directory=workspace).check_returncode()
    monkeypatch.chdir(workspace)
    asked = dvc_door.Asked()
    asked.key("second@a", {"out/first": "0" * 32}, None)

    output, _ = asked.run("second@a", {"out/first": "0" * 32}).communicate()
    asked.close()

    assert asked.process.returncode == 0, output.decode()
    [dep] = dvc_lock.entries(workspace / "dvc.lock")["second@a"]["deps"]
    assert dep["md5"] == "0" * 32


def test_a_workspace_that_is_half_made_is_no_place_to_import_from(workspace: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace / "yaml.py").touch()  # stands for any module of which only the beginning is there
    monkeypatch.chdir(workspace)

    asked = dvc_door.Asked()
    key = asked.key("first", {}, None)
    asked.close()

    assert key.value


def test_a_question_that_nobody_read_does_not_keep_the_door_open(workspace: Path,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    asked = dvc_door.Asked()
    asked.process.kill()
    asked.process.wait()

    with pytest.raises(TransientError, match="must say its key"):
        asked.key("first", {"a": "b" * 100_000}, None)
    asked.close()


def test_dvc_that_ended_has_no_key(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace / ".dvc" / "config").write_text("[core", encoding="utf-8")
    monkeypatch.chdir(workspace)
    asked = dvc_door.Asked()

    with pytest.raises(TransientError, match="DVC for first must say its key"):
        asked.key("first", {}, None)
    asked.close()


def test_a_stage_that_dvc_refuses_has_no_key_and_its_run_says_why(
        workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace / "in.txt").unlink()
    monkeypatch.chdir(workspace)
    asked = dvc_door.Asked()

    assert asked.key("first", {}, None).value == ""
    output, _ = asked.run("first", {}).communicate()
    asked.close()

    assert asked.process.returncode != 0
    assert b"in.txt" in output


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
