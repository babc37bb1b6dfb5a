"""The Airflow DAG `reap_containers`: removes containers that belong to no run any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.pipelines import PIPELINES
from dags.runners import default_runner
from dags.runs import ROOT, Run

DOC = """
A container goes on when the task that follows it dies, so that the retry can take it over. Where no retry comes, since
the run was deleted, marked as failed or lost with its machine, the container is ended and removed here.

Every ten minutes where EVENVOICE_RUNNER is docker; otherwise paused until you switch it on.
"""

with DAG("reap_containers", doc_md=DOC, description="Removes containers that belong to no run any more",
         schedule=timedelta(minutes=10), catchup=False, max_active_runs=1, tags=["evenvoice"],
         is_paused_upon_creation=default_runner() != "docker"):

    @task(doc_md="Ends and removes containers of this installation whose run Airflow calls over or does not know.")
    def reap(**context: Any) -> list[str]:
        """Compare the engine's containers with Airflow's runs."""
        from dags.runners.engine import EngineAway, connected
        from dags.runners.leftovers import foreground_works, remove_leftovers

        def works(run: Run) -> bool:
            if run.alive.exists():
                return foreground_works(run)
            return any(context["ti"].get_dr_count(dag, run_ids=[run.run_id], states=["queued", "running"])
                       for dag in PIPELINES)

        try:
            with connected() as engine:
                return remove_leftovers(engine, ROOT, works)
        except EngineAway as reason:
            raise AirflowSkipException(f"no Docker engine answers: {reason}") from None

    reap()
