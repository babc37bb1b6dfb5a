"""The Airflow DAG `reap_containers`: removes containers, pods and Jobs that belong to no run any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.pipelines import PIPELINES
from dags.runners import default_runner
from dags.runs import ROOT, Run
from evenvoice.errors import PreflightError

DOC = """
A container or a pod goes on when the task that follows it dies, so that the retry can take it over. Where no retry
comes, since the run was deleted, marked as failed or lost with its machine, it is ended and removed here. What other
installations made is left alone.

Every ten minutes where EVENVOICE_RUNNER is docker or kubernetes; otherwise paused until you switch it on.
"""

with DAG("reap_containers", doc_md=DOC, description="Removes containers and pods that belong to no run any more",
         schedule=timedelta(minutes=10), catchup=False, max_active_runs=1, tags=["evenvoice"],
         is_paused_upon_creation=default_runner() not in ("docker", "kubernetes")):

    def still_works(context: Mapping[str, Any]) -> Callable[[Run], bool]:
        """Whether a run goes on, as Airflow or the `make run` that began it knows."""
        from dags.runners.leftovers import foreground_works

        def works(run: Run) -> bool:
            if run.alive.exists():
                return foreground_works(run)
            return any(context["ti"].get_dr_count(dag, run_ids=[run.run_id], states=["queued", "running"])
                       for dag in PIPELINES)

        return works

    @task(doc_md="Ends and removes containers of this installation whose run Airflow calls over or does not know.")
    def reap(**context: Any) -> list[str]:
        """Compare the engine's containers with Airflow's runs."""
        from dags.runners.engine import EngineAway, connected
        from dags.runners.leftovers import remove_leftovers

        try:
            with connected() as engine:
                return remove_leftovers(engine, ROOT, still_works(context))
        except EngineAway as reason:
            raise AirflowSkipException(f"no Docker engine answers: {reason}") from None

    @task(doc_md="Ends and removes Jobs and pods of this installation whose run Airflow calls over or does not know.")
    def reap_pods(**context: Any) -> list[str]:
        """Compare the cluster's pods with Airflow's runs."""
        from dags.runners.cluster import Cluster
        from dags.runners.leftovers import remove_pods
        from dags.runners.pod_settings import pod_settings

        settings = pod_settings()
        try:
            cluster = Cluster(settings.namespace, settings.context)
        except PreflightError as reason:
            raise AirflowSkipException(f"no cluster is set up: {reason}") from None
        return remove_pods(cluster, ROOT, still_works(context))

    reap()
    reap_pods()
