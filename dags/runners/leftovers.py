"""Containers, pods and Jobs whose run is gone: killed with its whole family, or ended without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dags.runners import container
from dags.runners.engine import Engine
from dags.runners.pods import GRACE_S, selector_of, selector_of_all
from dags.runs import Run, state_of
from evenvoice.errors import WorkspaceError
from evenvoice.locks import exclusive

if TYPE_CHECKING:
    from dags.runners.cluster import Cluster


def remove_leftovers(engine: Engine, root: Path, works: Callable[[Run], bool]) -> list[str]:
    """End and remove each container of this checkout whose run no longer ``works``; returns their names."""
    removed = []
    for found in engine.labelled({container.STATE: str(state_of(root))}):
        if not works(Run(root, found.labels[container.RUN])):
            engine.end(found)
            removed.append(str(found.name))
    return removed


def remove_pods(cluster: Cluster, root: Path, works: Callable[[Run], bool]) -> list[str]:
    """End and remove each Job and pod of this installation whose run no longer ``works``; returns their names."""
    jobs, pods = cluster.owned(selector_of_all(root))
    over = {run_id for run_id in {item.run_id for item in (*jobs, *pods)} if not works(Run(root, run_id))}
    for run_id in over:
        cluster.remove_all(selector_of(Run(root, run_id)), GRACE_S)
    return [item.name for item in (*jobs, *pods) if item.run_id in over]


def foreground_works(run: Run) -> bool:
    """Whether a `make run` is at work: it, or the Airflow that it started, holds the kernel lock of the run."""
    try:
        with exclusive(run.alive, wait=False):
            return False
    except WorkspaceError:
        return not run.finished.exists()
