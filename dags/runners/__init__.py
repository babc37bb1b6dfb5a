"""How the stages of a run are executed; chosen per run, by the parameter `runner` or by EVENVOICE_RUNNER.

The registry imports a runner only when a task asks for it: DAG files parse without any client library.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from dags.runners.job import Runner


def _process() -> Runner:
    from dags.runners.process import ProcessRunner
    return ProcessRunner()


def _docker() -> Runner:
    from dags.runners.docker import DockerRunner
    return DockerRunner()


def _kubernetes() -> Runner:
    from dags.runners.kubernetes import KubernetesRunner
    return KubernetesRunner()


RUNNERS: Final[dict[str, Callable[[], Runner]]] = {
    "process": _process, "docker": _docker, "kubernetes": _kubernetes}


def default_runner() -> str:
    """What a run gets that names no runner."""
    return os.environ.get("EVENVOICE_RUNNER") or "process"
