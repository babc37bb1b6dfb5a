"""Airflow's executor for `make run`: tasks that are ready run side by side, each in a fork of `airflow dags test`.

A fork begins at once, with Airflow imported and the DAG parsed, and needs no API server, which Airflow's own executors
do. Pools count as in a scheduler: a GPU is never given to two stages.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
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

from dags.runners.gpus import pools_needed
from dags.runs import ROOT
from evenvoice.params import load_params

WAIT_S: Final = 10.0
"""A task that waits for its next try is not forgotten beside one that runs for hours."""


class SideBySide(BaseExecutor):
    """Forks a process per task, as many at once as AIRFLOW__CORE__PARALLELISM says."""

    is_local = True

    def start(self) -> None:
        """Make once, for all forks, what each would take seconds for: the DAG and Airflow's API within a process.

        The API's thread starts in the forks, as no thread survives one.
        """
        from dags.train_asr import dag
        self._tasks: Mapping[str, Any] = dag.task_dict
        asyncio.run(_build_api())
        self._pools = pools_needed(load_params(ROOT / "params.yaml").resources)
        self._started: dict[TaskInstanceKey, tuple[ExecuteTask, ForkProcess]] = {}

    def _process_workloads(self, workload_items: Sequence[Any]) -> None:
        for workload in workload_items:
            if self._fits_its_pool(workload):
                key = workload.ti.key
                del self.queued_tasks[key]
                self.running.add(key)
                process = multiprocessing.get_context("fork").Process(
                    target=_work, args=(str(workload.ti.id), self._tasks[workload.ti.task_id]), name=str(key))
                process.start()
                self._started[key] = workload, process

    def _fits_its_pool(self, workload: ExecuteTask) -> bool:
        task = self._tasks[workload.ti.task_id]
        beside = (self._tasks[key.task_id] for key in self._started)
        taken = sum(other.pool_slots for other in beside if other.pool == task.pool)
        return task.pool not in self._pools or taken + task.pool_slots <= self._pools[task.pool]

    def sync(self) -> None:
        """Wait for the next task that ends: whoever asks has nothing else to do."""
        wait([process.sentinel for _, process in self._started.values()], timeout=WAIT_S)
        for key, (workload, process) in list(self._started.items()):
            if process.exitcode is not None:
                del self._started[key]
                if process.exitcode:
                    _set_failed(workload.ti.id)  # killed before it could say so itself
                self.change_state(key, TaskInstanceState.FAILED if process.exitcode else TaskInstanceState.SUCCESS)

    def end(self) -> None:
        """Nothing works any more when the run is over."""

    def terminate(self) -> None:
        """End all tasks."""
        for _, process in self._started.values():
            process.terminate()


async def _build_api() -> None:
    """Airflow's API builds its routes within the first request, in five seconds."""
    transport = in_process_api_server().atransport
    async with httpx.AsyncClient(transport=transport, base_url="http://in-process") as client:
        await client.get("/health")


def _work(ti_id: str, task: Any) -> None:
    """Run one task in a fork, and keep its state in the database."""
    settings.engine.dispose(close=False)  # the parent goes on with these connections
    settings.configure_orm()
    with create_session() as session:
        instance = session.get(TaskInstance, UUID(ti_id))
    _run_task(ti=instance, task=task, run_triggerer=True)


def _set_failed(ti_id: UUID) -> None:
    with create_session() as session:
        instance = session.get(TaskInstance, ti_id)
        if instance is not None:
            instance.set_state(TaskInstanceState.FAILED, session=session)
