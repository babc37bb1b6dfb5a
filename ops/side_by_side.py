"""Airflow's executor for `make run`: tasks that are ready run side by side, in forks of `airflow dags test`.

A fork begins at once, with Airflow imported and the DAG parsed, takes one task after another, and needs no API server,
which Airflow's own executors do. Pools count as in a scheduler: a GPU is never given to two stages.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, Final
from uuid import UUID

import httpx
from airflow import settings
from airflow.executors.base_executor import BaseExecutor
from airflow.executors.workloads import ExecuteTask
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.sdk.definitions.dag import _run_task
from airflow.sdk.execution_time.supervisor import in_process_api_server
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState

from dags.runners import default_runner
from dags.runners.gpus import pools_needed
from dags.runs import ROOT
from evenvoice.params import load_params
from ops.slots import DAG

WAIT_S: Final = 10.0
"""A task that waits for its next try is not forgotten beside one that runs for hours."""
SETTLED_S: Final = 0.2
"""What has nothing to compute ends within this time, and a whole row of it before Airflow is asked what is free now."""


@dataclass
class _Worker:
    """A fork, and the task that it works on."""

    process: ForkProcess
    pipe: Connection
    task: ExecuteTask | None = None


class SideBySide(BaseExecutor):
    """Works on as many tasks at once as AIRFLOW__CORE__PARALLELISM says."""

    is_local = True

    def start(self) -> None:
        """Make once, for all forks, what each would take seconds for: the DAG, and Airflow's API within a process."""
        dag = import_module(f"dags.{os.environ[DAG]}").dag
        self._tasks: Mapping[str, Any] = dag.task_dict
        # a cluster keeps account of its GPUs by itself
        self._pools = ({} if default_runner() == "kubernetes" else
                       pools_needed(load_params(ROOT / "params.yaml").resources))
        self._workers: list[_Worker] = []
        self._news = self._started = False
        """Whether a task ended when last looked, and whether one was started since."""
        gc.disable()  # which would go through millions of new objects again and again, and find nothing
        asyncio.run(_build_api())
        gc.freeze()
        gc.enable()

    def _process_workloads(self, workload_items: Sequence[Any]) -> None:
        for workload in workload_items:
            if self._fits_its_pool(workload):
                worker = self._idle_worker()
                worker.task, self._started = workload, True
                worker.pipe.send(str(workload.ti.id))
                del self.queued_tasks[workload.ti.key]
                self.running.add(workload.ti.key)

    @property
    def _busy(self) -> dict[TaskInstanceKey, _Worker]:
        return {worker.task.ti.key: worker for worker in self._workers if worker.task is not None}

    def _fits_its_pool(self, workload: ExecuteTask) -> bool:
        task = self._tasks[workload.ti.task_id]
        beside = (self._tasks[key.task_id] for key in self._busy)
        taken = sum(other.pool_slots for other in beside if other.pool == task.pool)
        return task.pool not in self._pools or taken + task.pool_slots <= self._pools[task.pool]

    def _idle_worker(self) -> _Worker:
        idle = next((worker for worker in self._workers if worker.task is None and worker.process.is_alive()), None)
        if idle is not None:
            return idle
        ours, theirs = multiprocessing.Pipe()
        inherited = [ours, *(worker.pipe for worker in self._workers)]
        process = multiprocessing.get_context("fork").Process(target=_work, args=(theirs, inherited, self._tasks),
                                                              daemon=True)
        process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        self._workers.append(_Worker(process, ours))
        return self._workers[-1]

    def sync(self) -> None:
        """Wait for tasks that end, and go on with those that are queued behind them.

        Airflow itself sleeps for a second where it has nothing new to queue; short tasks end before that. And a task
        that is skipped because of one that ended sets others free only when Airflow looks again.
        """
        patience = 1.0 if self._started else 0.0 if self._news else WAIT_S
        self._news = False
        while self._collect(patience):
            self._news = True
            self.trigger_tasks(self.parallelism - len(self.running))
            patience = SETTLED_S
        self._started = False

    def _collect(self, patience: float) -> bool:
        """Tell Airflow which tasks ended, at the latest after ``patience`` seconds; whether there was one."""
        busy = self._busy
        if busy:
            wait([worker.pipe for worker in busy.values()], timeout=patience)
        ended = [(key, worker) for key, worker in busy.items() if worker.pipe.poll()]
        for key, worker in ended:
            self.change_state(key, self._outcome(worker))
            worker.task = None
        return bool(ended)

    def _outcome(self, worker: _Worker) -> TaskInstanceState:
        """Whether a worker came to the end of a task; its own state is in the database by then."""
        try:
            worker.pipe.recv()
        except EOFError:  # killed
            assert worker.task is not None
            self._workers.remove(worker)
            _set_failed(worker.task.ti.id)
            return TaskInstanceState.FAILED
        return TaskInstanceState.SUCCESS

    def end(self) -> None:
        """Let the workers end, when the run is over."""
        for worker in self._workers:
            worker.pipe.close()
            worker.process.join()

    def terminate(self) -> None:
        """End all tasks."""
        for worker in self._workers:
            worker.process.terminate()


async def _build_api() -> None:
    """Airflow's API builds its routes within the first request, in five seconds."""
    transport = in_process_api_server().atransport
    async with httpx.AsyncClient(transport=transport, base_url="http://in-process") as client:
        await client.get("/health")


def _work(pipe: Connection, inherited: Sequence[Connection], tasks: Mapping[str, Any]) -> None:
    """Run tasks in a fork, as they come, until the pipe ends; each task's state is kept in the database."""
    for other in inherited:  # or no pipe would end before all forks did
        other.close()
    settings.engine.dispose(close=False)  # the parent goes on with these connections
    settings.configure_orm()
    while True:
        try:
            ti_id = UUID(pipe.recv())
        except EOFError:
            return
        with create_session() as session:
            instance = session.get_one(TaskInstance, ti_id)
        _run_task(ti=instance, task=tasks[instance.task_id], run_triggerer=True)
        pipe.send(None)


def _set_failed(ti_id: UUID) -> None:
    """For a task that could not say so itself."""
    with create_session() as session:
        session.get_one(TaskInstance, ti_id).set_state(TaskInstanceState.FAILED, session=session)
