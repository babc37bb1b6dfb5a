"""Containers whose run is gone: killed with its whole family, or ended without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dags.runners import container
from dags.runners.engine import Engine
from dags.runs import Run, state_of
from evenvoice.errors import WorkspaceError
from evenvoice.locks import exclusive


def remove_leftovers(engine: Engine, root: Path, works: Callable[[Run], bool]) -> list[str]:
    """End and remove each container of this checkout whose run no longer ``works``; returns their names."""
    removed = []
    for found in engine.labelled({container.STATE: str(state_of(root))}):
        if not works(Run(root, found.labels[container.RUN])):
            engine.end(found)
            removed.append(str(found.name))
    return removed


def foreground_works(run: Run) -> bool:
    """Whether a `make run` is at work: it, or the Airflow that it started, holds the kernel lock of the run."""
    try:
        with exclusive(run.alive, wait=False):
            return False
    except WorkspaceError:
        return not run.finished.exists()
