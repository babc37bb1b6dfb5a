"""Ending what was started here, whole trees of it, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import psutil  # type: ignore[import-untyped]

GRACE_S = 5.0


def end_tree(pid: int, grace_s: float = GRACE_S) -> None:
    """TERM, later KILL, to ``pid``, its descendants, and the process groups that they lead."""
    family = _family(pid)
    groups = _groups(family)
    _signal(groups, signal.SIGTERM)
    _wait(family, grace_s)
    _signal(groups, signal.SIGKILL)
    _wait(family, grace_s)


def started_at(pid: int) -> float | None:
    """When the process began, which tells it from a later one with the same number; None when it is gone."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


def _family(pid: int) -> list[psutil.Process]:
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _groups(family: list[psutil.Process]) -> set[int]:
    groups = set()
    for process in family:
        with contextlib.suppress(ProcessLookupError):
            groups.add(os.getpgid(process.pid))
    return groups - {os.getpgrp()}


def _signal(groups: set[int], kind: signal.Signals) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, kind)


def _wait(family: list[psutil.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while _alive(family) and time.monotonic() < deadline:
        time.sleep(0.1)


def _alive(family: list[psutil.Process]) -> bool:
    return any(started_at(process.pid) == process.create_time() for process in family)
