"""Where a run keeps its files, and how others watch it.

    .evenvoice/cache/            DVC cache that all runs share by hard links
    .evenvoice/locks/            last good dvc.lock per profile and corpus
    .evenvoice/made_with/        what each result was made with, see dags/provenance.py
    .evenvoice/corpora/          what VERIFY=1 read of recordings
    .evenvoice/runs/<run>/       run.json, plan.json, progress.jsonl, logs/, finished
    .evenvoice/runs/<run>/workspace/   the snapshot that the stages work in
    .evenvoice/judged/<run>/     page and verdict of the DAG judge; <run>.heard/ beside it, what a model wrote

Imports no Airflow, so `make run` reads the same files that the tasks write.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evenvoice.storage import write_text

ROOT = Path(__file__).resolve().parents[1]
KEPT_RUNS = 5
FORGOTTEN_AFTER_S = 30 * 24 * 3600
"""A run that was killed never says that it finished; after this long nobody waits for it any more."""


@dataclass(frozen=True)
class Run:
    """One DAG run: ``run_id`` is Airflow's, ``root`` the checkout that it was started from."""

    root: Path
    run_id: str

    @property
    def state(self) -> Path:
        return state_of(self.root)

    @property
    def directory(self) -> Path:
        return self.state / "runs" / re.sub(r"[^A-Za-z0-9_.-]", "-", self.run_id)

    @property
    def workspace(self) -> Path:
        return self.directory / "workspace"

    @property
    def description(self) -> Path:
        """run.json: what was asked for and what was found; written last, so it also says the workspace is whole."""
        return self.directory / "run.json"

    @property
    def plan(self) -> Path:
        return self.directory / "plan.json"

    @property
    def progress(self) -> Path:
        return self.directory / "progress.jsonl"

    @property
    def finished(self) -> Path:
        return self.directory / "finished"

    @property
    def alive(self) -> Path:
        """A kernel lock that `make run` and the Airflow it starts hold until both have ended, however they end."""
        return self.directory / "alive.lock"

    def log(self, name: str) -> Path:
        """The complete output of one stage or effect."""
        return self.directory / "logs" / f"{name}.log"

    def answer(self, effect: str) -> Path:
        """What an effect of this run answered, as JSON."""
        return self.directory / "answers" / f"{effect}.json"

    def emit(self, stage: str, state: str, **details: Any) -> None:
        """Append one event for whoever follows the run: ``started``, ``done``, ``cached``, ``failed``."""
        self.directory.mkdir(parents=True, exist_ok=True)
        event = {"at": time.time(), "stage": stage, "state": state, **details}
        with self.progress.open("a", encoding="utf-8") as sink:
            sink.write(json.dumps(event) + "\n")

    def finish(self, outcome: str) -> None:
        """Say that nothing will work in this run any more, so its workspace may be removed some day."""
        if self.directory.is_dir():
            write_text(self.finished, outcome + "\n")


def state_of(root: Path) -> Path:
    """Everything that is made beside a checkout and never committed; EVENVOICE_HOME where the code is an image's."""
    home = os.environ.get("EVENVOICE_HOME")
    return Path(home) if home and not (root / ".git").exists() else root / ".evenvoice"


def prune(root: Path, keep: int = KEPT_RUNS) -> list[Path]:
    """Remove all but the newest ``keep`` finished runs that had a workspace; what DVC cached stays."""
    runs = [path.parent for path in (state_of(root) / "runs").glob("*/workspace")]
    removable = sorted((path for path in runs if _is_over(path)), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in removable[keep:]:
        shutil.rmtree(path, ignore_errors=True)
    return removable[keep:]


def _is_over(directory: Path) -> bool:
    return (directory / "finished").exists() or time.time() - directory.stat().st_mtime > FORGOTTEN_AFTER_S
