"""What each result of a run was made with: taken from the workers, kept for all runs, told where results are reused.

    .evenvoice/made_with/<stage>/<outputs>.json   what those outputs were last made with, see evenvoice/made_with.py
    <workspace>/.made_with/<stage>.json           of this run: whether it worked, and with what
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from dags.runs import Run
from evenvoice import dvc_lock, made_with
from evenvoice.made_with import MadeWith
from evenvoice.params import Size
from evenvoice.storage import read_json, write_json

OF_RUN: Final = ".made_with"
"""In the workspace, as worker/bringing_up.py writes it."""


def take_over(run: Run, stage: str) -> list[str]:
    """Keep what the worker said of ``stage``; returns how a result that was used again differs from a new one."""
    told = run.workspace / OF_RUN / f"{stage}.json"
    if not told.exists():
        return []
    content = read_json(told)
    if content["executed"]:
        made_with.keep(_records(run), stage, _entry(run, stage), MadeWith.from_json(content["made_with"]))
    age: list[str] = content["age"]
    return age


def reused(run: Run, stage: str, size: Size) -> list[str]:
    """The same for a stage that no worker looked at; nothing where the runner could not tell what it works with."""
    present = read_json(run.description).get("made_with")
    then = made_with.find(_records(run), stage, _entry(run, stage))
    age = made_with.age(then, _with_threads(MadeWith.from_json(present), size)) if present else []
    write_json(run.workspace / OF_RUN / f"{stage}.json",
               {"executed": False, "age": age, "made_with": then.to_json() if then else None})
    return age


def _with_threads(present: MadeWith, size: Size) -> MadeWith:
    """A size that names its cores gets as many threads."""
    return replace(present, threads=size.cpus) if size.cpus else present


def _entry(run: Run, stage: str) -> dvc_lock.Entries:
    entry: dvc_lock.Entries = dvc_lock.entries(run.workspace / "dvc.lock")[stage]
    return entry


def _records(run: Run) -> Path:
    return run.state / "made_with"
