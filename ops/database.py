"""Airflow's metadata of a foreground run: a copy of one migrated, empty database.

A run with its own database cannot disturb another run, nor the scheduler of `make up`, which would take a run that it
finds in its database for its own and start the tasks a second time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from dags.runs import state_of
from evenvoice.errors import PreflightError
from evenvoice.locks import exclusive
from ops.environment import environment


def fresh_database(root: Path, path: Path) -> None:
    """Put an empty, migrated database at ``path``; the migration (7 s) happens once per version of Airflow."""
    template = state_of(root) / "airflow" / f"empty-{version('apache-airflow')}.db"
    with exclusive(template.with_suffix(".lock"), wait=True):
        if not template.exists():
            _migrate(root, template)
    shutil.copyfile(template, path)


def _migrate(root: Path, template: Path) -> None:
    draft = template.with_suffix(f".{os.getpid()}.draft")
    argv = [sys.executable, "-m", "airflow", "db", "migrate"]
    done = subprocess.run(argv, cwd=root, env=environment(root, database=draft), capture_output=True,  # noqa: S603
                          text=True, check=False)
    if done.returncode:
        raise PreflightError(name="airflow db migrate", rule="succeed",
                             value=" ".join((done.stderr or done.stdout).split())[-800:],
                             action=f"Remove {template.parent} and try again.")
    draft.rename(template)
