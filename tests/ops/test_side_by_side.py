"""`make run` works on several stages at once: on Airflow's own database and DAG, with stages that take no time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from airflow.models.taskinstancekey import TaskInstanceKey

from ops.side_by_side import SideBySide
from ops.slots import MOST, ON_A_CLUSTER, slots_here
from tests.builders import stand_in
from tests.builders.sweep import sweep_checkout

ENDS_AT_EVALUATE = f"evaluate.null_partitions={stand_in.FAILS}"
"""So that no run goes on to the registry, which wants a real model."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sweep_checkout(tmp_path_factory.mktemp("side-by-side") / "evenvoice")


def started(root: Path, *options: str, **extra: str) -> subprocess.Popen[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MLFLOW", "EVENVOICE"))}
    return subprocess.Popen([sys.executable, "-m", "ops", "run", "--profile", "tiny", *options], cwd=root,
                            env={**env, **extra}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def events(root: Path) -> list[dict[str, Any]]:
    """What became of each task of the newest run, in the order in which it was told."""
    newest = max((root / ".evenvoice" / "runs").iterdir(), key=lambda run: run.stat().st_ctime)
    lines = (newest / "progress.jsonl").read_text(encoding="utf-8").splitlines()
    return [event for event in map(json.loads, lines) if "state" in event]


def most_at_once(told: list[dict[str, Any]]) -> int:
    running: set[str] = set()
    most = 0
    for event in told:
        (running.add if event["state"] == "started" else running.discard)(event["stage"])
        most = max(most, len(running))
    return most


def states(told: list[dict[str, Any]]) -> dict[str, str]:
    return {event["stage"]: event["state"] for event in told}


def test_a_failed_stage_ends_the_run_after_what_runs_beside_it(root: Path) -> None:
    process = started(root, "--jobs", "2", "--set", ENDS_AT_EVALUATE)
    output, _ = process.communicate(timeout=240)

    told = events(root)
    assert process.returncode == 1
    assert most_at_once(told) == 2
    assert states(told)["evaluate"] == "failed"
    assert "gate" not in states(told)
    assert "`make run` goes on from here" in output


def test_one_job_at_a_time_where_that_is_asked_for(root: Path) -> None:
    process = started(root, "--jobs", "1", "--set", ENDS_AT_EVALUATE, "transcribe.batch_s=500")
    process.communicate(timeout=240)

    told = events(root)
    assert most_at_once(told) == 1
    assert states(told)["evaluate"] == "failed"
    assert states(told)["transcribe@base"] == states(told)["transcribe@ewc"] == "done"


def test_a_task_whose_process_was_killed_fails_and_nothing_of_it_is_left(root: Path, tmp_path: Path) -> None:
    mark = tmp_path / "waits"
    process = started(root, "--jobs", "2", "--set", f"train.learning_rate={stand_in.WAITS}",
                      STAND_IN_WAITS=str(mark))
    stage = psutil.Process(waiting(mark))
    airflow = psutil.Process(process.pid).children()[0]
    [fork] = [child for child in stage.parents() if child.ppid() == airflow.pid]

    fork.send_signal(signal.SIGKILL)
    process.communicate(timeout=120)

    assert process.returncode == 1
    assert states(events(root))["train"] != "done"
    assert "evaluate" not in states(events(root))
    assert not stage.is_running() or stage.status() == psutil.STATUS_ZOMBIE


def waiting(mark: Path) -> int:
    """The process of the stage that waits."""
    deadline = time.monotonic() + 120
    while not (mark.exists() and mark.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return int(mark.read_text(encoding="utf-8"))


def executor(pools: dict[str, int], busy: tuple[str, ...]) -> SideBySide:
    """One whose tasks are `a` and `b`, for one GPU each, and `c`, which needs none."""
    made = SideBySide(parallelism=4)
    made._tasks = {name: SimpleNamespace(pool=pool, pool_slots=1)
                   for name, pool in [("a", "gpu-any"), ("b", "gpu-any"), ("c", "default_pool")]}
    made._pools = pools
    made._workers = [SimpleNamespace(task=workload(name)) for name in busy]  # type: ignore[misc]
    return made


def workload(task: str) -> Any:
    return SimpleNamespace(ti=SimpleNamespace(task_id=task, key=TaskInstanceKey("train_asr", task, "monday")))


@pytest.mark.parametrize(("slots", "busy", "task", "fits"), [
    (1, (), "a", True), (1, ("a",), "b", False), (2, ("a",), "b", True), (1, ("a",), "c", True),
    (1, ("c",), "a", True)])
def test_a_gpu_is_never_given_to_two_stages(slots: int, busy: tuple[str, ...], task: str, fits: bool) -> None:
    assert executor({"gpu-any": slots}, busy)._fits_its_pool(workload(task)) is fits


@pytest.mark.parametrize(("cores", "free_gb", "slots"), [(2, 16.0, 2), (4, 5.0, 2), (2, 0.5, 1), (64, 500.0, MOST)])
def test_a_stage_per_core_that_has_memory_too(cores: int, free_gb: float, slots: int,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free_gb * 1e9))

    assert slots_here("process") == slots
    assert slots_here("kubernetes") == ON_A_CLUSTER
