"""From an archive to a verdict: no git, a path with spaces and accents, another user, and no network once installed.

One run, for all of them at once: each alone would take as long.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.builders.checkout import archive, full_checkout
from tests.builders.users import NOBODY, as_nobody, open_to_nobody, python_for_nobody

AS_ROOT = os.geteuid() == 0
OFFLINE = ("unshare", "--net", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups") if AS_ROOT else ()
"""In a network namespace without any interface, as another user; takes root."""
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root can be another user, and take the network away")


@dataclass(frozen=True)
class Fresh:
    """An unpacked archive, the commit it is of, and what `make` said in it."""

    root: Path
    commit: str
    doctor: str
    run: str


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    python = python_for_nobody()
    clone = full_checkout(tmp_path_factory.mktemp("clone") / "evenvoice")
    root = archive(clone, tmp_path_factory.mktemp("fresh") / "Größen à part" / "even voice")
    home = tmp_path_factory.mktemp("home")
    for folder in (root, home):
        open_to_nobody(folder)
        given_to_nobody(folder)
    ours = ("AIRFLOW", "MLFLOW", "EVENVOICE", "VIRTUAL_ENV", "PYTHON", "MAKE")
    env = {**{name: value for name, value in os.environ.items() if not name.startswith(ours)}, "HOME": str(home)}

    def make(*arguments: str, online: bool) -> str:
        command = [*(() if online else OFFLINE), "make", f"PYTHON={python}", *arguments]
        done = subprocess.run(command, cwd=root, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False, **(as_nobody() if online else {}))
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=clone, capture_output=True, text=True, check=True).stdout
    return Fresh(root, head.strip(), doctor=make("doctor", online=True), run=make("run", "PROFILE=tiny", online=False))


def given_to_nobody(folder: Path) -> None:
    if AS_ROOT:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, NOBODY, NOBODY)


def test_an_archive_in_a_path_with_spaces_and_accents_ends_in_a_verdict(fresh: Fresh) -> None:
    verdict = json.loads((fresh.root / "reports" / "verdict.json").read_text(encoding="utf-8"))

    assert verdict["verdict"] in ("PASS", "FAIL", "INSUFFICIENT")
    assert verdict["model"]["version"] == 1
    assert f"verdict      {verdict['verdict']}" in fresh.run


def test_the_run_knows_the_commit_of_the_archive(fresh: Fresh) -> None:
    [description] = fresh.root.glob(".evenvoice/runs/*/run.json")
    described = json.loads(description.read_text(encoding="utf-8"))

    assert (described["commit"], described["dirty"]) == (fresh.commit, True)


def test_doctor_finds_an_archive_without_git_and_nothing_missing(fresh: Fresh) -> None:
    assert f"an archive without git, of commit {fresh.commit}" in " ".join(fresh.doctor.split())
    assert "missing" not in fresh.doctor


@needs_root
def test_all_of_it_was_made_by_another_user(fresh: Fresh) -> None:
    made = [".venv", ".evenvoice/runs", "reports/verdict.json"]

    assert {(fresh.root / name).stat().st_uid for name in made} == {NOBODY}


@needs_root
def test_the_run_had_no_network(fresh: Fresh) -> None:
    command = [*OFFLINE, fresh.root / ".venv" / "bin" / "python", "-c",
               "import socket; socket.create_connection(('127.0.0.1', 9), timeout=2)"]

    refused = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)

    assert "Network is unreachable" in refused.stderr
