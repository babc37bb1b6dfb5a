"""How many stages `make run` lets run side by side on this machine."""

from __future__ import annotations

import os
from typing import Final

import psutil  # type: ignore[import-untyped]

EXECUTOR: Final = "ops.side_by_side.SideBySide"
"""For AIRFLOW__CORE__EXECUTOR."""
DAG: Final = "EVENVOICE_DAG"
"""Tells it which DAG's tasks it works on."""
MOST: Final = 8
"""No more stages of the graph are ever ready at once."""
ON_A_CLUSTER: Final = 16
"""Tasks that follow pods: the cluster places them, and shards of one stage may be many more than there are stages."""
GB_EACH: Final = 2.0
"""Memory free for each further stage; the default run's largest takes 1.2."""


def slots_here(runner: str) -> int:
    """How many stages may run at once: one per core that has the memory too, unless they run on other machines."""
    if runner == "kubernetes":
        return ON_A_CLUSTER
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST, cores, int(psutil.virtual_memory().available / GB_EACH / 1e9)))
