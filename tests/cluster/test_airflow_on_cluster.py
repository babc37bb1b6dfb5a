"""Airflow on a real cluster: its official chart with our values, and runs that a user starts by REST.

A run in the tiny profile takes long on two cores that everything here shares; nothing is timed but against hanging.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders.airflow_release import STAGES, Airflow, installed, reach_helm
from tests.builders.cluster import Cluster, wait_until
from tests.builders.cluster_services import Services, serving_all

DAG = "train_asr"
RUN_ENDS_WITHIN_S = 3600.0
STARTS_WITHIN_S = 900.0
A_MINUTE = 60.0
ENDED = ("success", "failed")
LEAVE = """
import json
from dags.runners.job import Job
from dags.runners.pod_settings import pod_settings
from dags.runners.pods import pod_of
from dags.runs import ROOT, Run
from evenvoice.params import load_params

resources = load_params(ROOT / "params.yaml").resources
job = Job(name="train", arguments=(), run=Run(ROOT, "of-nobody"), directory=ROOT, size=resources.light,
          size_name="light", environment={})
print(json.dumps(pod_of(job, resources, pod_settings(), "IMAGE")))
"""
"""Run where Airflow is, describes a pod as the runner would make it there."""

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def own_services(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Not those of the other tests, whose secret and pods lie in another namespace."""
    with serving_all(cluster, tmp_path_factory.mktemp("services-of-airflow")) as found:
        yield found


@pytest.fixture(scope="module")
def airflow(own_services: Services, airflow_image_on_nodes: str, stage_image_on_nodes: str,
            tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    images = {"airflow": airflow_image_on_nodes, "stage": stage_image_on_nodes}
    with installed(reach_helm(), own_services, images, tmp_path_factory.mktemp("airflow")) as found:
        yield found


def test_every_service_is_healthy(airflow: Airflow) -> None:
    def healthy() -> bool:
        said = airflow.ask("GET", "monitor/health").content
        return {said[name]["status"] for name in ("metadatabase", "scheduler", "dag_processor")} == {"healthy"}

    wait_until(healthy, "the scheduler and the DAG processor to be healthy", seconds=STARTS_WITHIN_S)


def test_every_dag_is_read_and_none_has_an_error(airflow: Airflow) -> None:
    wait_until(lambda: DAG in _dags(airflow), "the DAGs to be read", seconds=STARTS_WITHIN_S)
    assert airflow.ask("GET", "importErrors").content["total_entries"] == 0


def test_only_the_schedulers_account_may_make_pods(airflow: Airflow) -> None:
    said = {component: _may_make_pods(airflow, account) for component, account in
            (("scheduler", "evenvoice-airflow"), ("api-server", "airflow-api-server"))}
    assert said == {"scheduler": True, "api-server": False}


def test_a_run_that_a_user_marks_as_failed_leaves_no_pod(airflow: Airflow) -> None:
    airflow.start(DAG, "cancelled", profile="tiny", runner="kubernetes", attended=False)
    wait_until(airflow.pods, "the first stage's pod", seconds=STARTS_WITHIN_S)

    assert airflow.ask("PATCH", f"dags/{DAG}/dagRuns/cancelled", {"state": "failed"}).status == 200

    wait_until(lambda: not airflow.pods(), "the pod to be gone", seconds=300)
    assert airflow.state(DAG, "cancelled") == "failed"


def test_a_run_that_a_user_starts_ends_with_a_verdict_though_the_database_is_away_for_a_minute(
        airflow: Airflow, own_services: Services) -> None:
    airflow.start(DAG, "monday", profile="tiny", runner="kubernetes", attended=False)
    wait_until(lambda: "success" in _stages(airflow, "monday").values(), "a stage to end", seconds=STARTS_WITHIN_S)
    own_services.database.stop()
    try:
        time.sleep(A_MINUTE)
    finally:
        own_services.database.start()
    wait_until(lambda: airflow.state(DAG, "monday") in ENDED, "the run to end", seconds=RUN_ENDS_WITHIN_S)

    assert airflow.state(DAG, "monday") == "success", airflow.tasks(DAG, "monday")
    assert airflow.pods() == []
    assert "monday" in {run.info.run_name for run in _recorded(own_services)}


def test_the_log_of_a_task_comes_from_the_scheduler_to_the_user(airflow: Airflow) -> None:
    said = airflow.log(DAG, "monday", "plan")
    assert "Could not read" not in said
    assert "Returned value was" in said


def test_the_reaper_that_the_scheduler_runs_removes_a_pod_of_a_run_that_nobody_knows(
        airflow: Airflow, stage_image_on_nodes: str) -> None:
    _leave_pod(airflow, stage_image_on_nodes)

    airflow.start("reap_containers", "by-hand")
    wait_until(lambda: airflow.state("reap_containers", "by-hand") in ENDED, "the reaper to end",
               seconds=STARTS_WITHIN_S)

    assert airflow.state("reap_containers", "by-hand") == "success", airflow.tasks("reap_containers", "by-hand")
    wait_until(lambda: not airflow.pods(), "the pod to be gone", seconds=300)


def _leave_pod(airflow: Airflow, image: str) -> None:
    """A pod of this installation, which sleeps for a run that Airflow does not know."""
    said = airflow.execute("scheduler", "python", "-c", LEAVE)
    pod = json.loads(said[said.index("{"):])
    [container] = pod["spec"]["containers"]
    container |= {"image": image, "command": ["sleep", "3600"], "resources": {}}
    airflow.cluster.core.create_namespaced_pod(STAGES, pod)
    assert airflow.pods() == [pod["metadata"]["name"]]


def _stages(airflow: Airflow, run_id: str) -> dict[str, str]:
    """Those tasks that run in pods, and what follows them."""
    return {task: state for task, state in airflow.tasks(DAG, run_id).items() if task not in ("snapshot", "plan")}


def _dags(airflow: Airflow) -> set[str]:
    return {dag["dag_id"] for dag in airflow.ask("GET", "dags?limit=100").content["dags"]}


def _may_make_pods(airflow: Airflow, account: str) -> bool:
    from kubernetes import client

    question = client.V1SubjectAccessReview(spec=client.V1SubjectAccessReviewSpec(
        user=f"system:serviceaccount:airflow:{account}",
        resource_attributes=client.V1ResourceAttributes(namespace=STAGES, verb="create", resource="pods")))
    answer = client.AuthorizationV1Api(airflow.cluster.api).create_subject_access_review(question)
    return bool(answer.status.allowed)


def _recorded(services: Services) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(services.mlflow_url)
    return list(client.search_runs([found.experiment_id for found in client.search_experiments()]))
