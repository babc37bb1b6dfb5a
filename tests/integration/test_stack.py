"""The stack for real: started in containers, logged in to, and a run through the proxy to its end.

Starting it is part of every test run. Starting it again and a whole run of the DAG take minutes more, and are asked for
by EVENVOICE_TEST_STACK_RUN=1.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from evenvoice.errors import PreflightError
from ops.images.base import BASE_TAG
from ops.images.build import Image
from ops.stack.compose import find_compose
from ops.stack.images import build_stack_images
from ops.stack.lifecycle import down_stack, engine_socket, up_stack
from ops.stack.settings import read_or_make
from tests.builders.engine import Engine
from tests.builders.stack import ROOT, Answer, Served, ask, stack_root

pytestmark = pytest.mark.engine
RUN_SWITCH = "EVENVOICE_TEST_STACK_RUN"
RUN_ENDS_WITHIN_S = 1800
DAG_APPEARS_WITHIN_S = 300
asked_for = pytest.mark.skipif(not os.environ.get(RUN_SWITCH), reason=f"takes minutes; {RUN_SWITCH}=1 asks for it")


@pytest.fixture(scope="module")
def served(docker_engine: Engine, stage_image: Image, airflow_image: Image,
           tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A stack of its own, removed with its data afterwards."""
    _have_compose()
    build_stack_images(ROOT, Console(quiet=True), base_image=BASE_TAG, wheelhouse=None,
                       docker=docker_engine.client.path)
    root = stack_root(tmp_path_factory.mktemp("stack"), STAGE_IMAGE=stage_image.tag,
                      AIRFLOW_IMAGE=airflow_image.tag)
    settings, _ = read_or_make(root, socket=engine_socket())
    try:
        assert up_stack(root, Console(quiet=True)) == 0
        yield Served(settings)
    finally:
        _remove(docker_engine, root)


def _have_compose() -> None:
    """Debian's package where there is no compose."""
    try:
        find_compose()
    except PreflightError as reason:
        if os.geteuid() != 0:
            pytest.skip(f"no compose: {reason}")
        done = subprocess.run(["apt-get", "install", "-qq", "--no-install-recommends", "docker-compose"],
                              capture_output=True, text=True, check=False,
                              env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        if done.returncode:
            pytest.skip(f"compose cannot be installed: {done.stderr[-300:]}")


def _remove(engine: Engine, root: Path) -> None:
    settings, _ = read_or_make(root, socket=engine_socket())
    down_stack(root, Console(quiet=True))
    for volume in ("postgres", "objects"):
        engine.client.run("volume", "rm", "--force", f"{settings['STACK_NAME']}_{volume}")


def test_airflow_is_healthy_and_asks_for_a_password(served: Served) -> None:
    health = served.airflow("GET", "/api/v2/monitor/health").content
    assert {name: part["status"] for name, part in health.items()} == {
        "metadatabase": "healthy", "scheduler": "healthy", "triggerer": "healthy", "dag_processor": "healthy"}
    address = f"http://localhost:{served.settings['AIRFLOW_PORT']}"
    assert ask(f"{address}/api/v2/dags", "GET", None, {}).status == 401
    wrong = ask(f"{address}/auth/token", "POST", {"username": "admin", "password": "admin"}, {})
    assert wrong.status == 401


def test_mlflow_asks_for_a_password_and_knows_two_accounts(served: Served) -> None:
    search = {"max_results": 1}
    path = "/api/2.0/mlflow/experiments/search"
    assert served.mlflow("POST", path, search).status == 200
    assert served.mlflow("POST", path, search, password="wrong").status == 401
    pipeline = {"user": "pipeline", "password": served.settings["MLFLOW_PIPELINE_PASSWORD"]}
    assert served.mlflow("POST", path, search, **pipeline).status == 200
    new = {"username": "intruder", "password": "intruder-password"}
    assert served.mlflow("POST", "/api/2.0/mlflow/users/create", new, **pipeline).status == 403


def test_mlflow_answers_to_its_own_names_only(served: Served) -> None:
    address = f"http://localhost:{served.settings['MLFLOW_PORT']}"
    assert ask(f"{address}/", "GET", None, {"Host": "rebound.example"}).status == 403


def test_the_object_store_has_its_buckets_and_checks_signatures(served: Served) -> None:
    from botocore.exceptions import ClientError

    buckets = {bucket["Name"] for bucket in served.objects().list_buckets()["Buckets"]}
    assert buckets >= {"evenvoice-mlflow", "evenvoice-dvc", "evenvoice-corpora"}
    wrong = Served(type(served.settings)(served.settings.path, {**served.settings.values, "S3_SECRET_KEY": "wrong"}))
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        wrong.objects().list_buckets()


@pytest.mark.parametrize("service", ["airflow-scheduler", "airflow-api", "airflow-dag-processor", "mlflow"])
def test_no_service_sees_the_engines_socket(docker_engine: Engine, served: Served, service: str) -> None:
    said = _execute(docker_engine, served, service, "import os; print(os.path.exists('/var/run/docker.sock'))")
    assert said == "False"


def test_the_scheduler_gets_no_privileged_container_from_the_proxy(docker_engine: Engine, served: Served) -> None:
    image = served.settings["STAGE_IMAGE"]
    attempt = (f"import docker\ntry:\n docker.from_env().containers.run({image!r}, 'id', privileged=True)\n"
               "except docker.errors.APIError as error:\n print(error.status_code, 'engine proxy' in str(error))")
    assert _execute(docker_engine, served, "airflow-scheduler", attempt) == "403 True"


@pytest.mark.parametrize("service", ["airflow-dag-processor", "mlflow", "objectstore"])
def test_other_services_do_not_reach_the_proxy(docker_engine: Engine, served: Served, service: str) -> None:
    attempt = ("import socket\ntry:\n socket.create_connection(('docker-proxy', 2375), 3)\n print('reached')\n"
               "except OSError:\n print('nobody')")
    assert _execute(docker_engine, served, service, attempt) == "nobody"


@asked_for
def test_starting_it_again_changes_nothing(served: Served) -> None:
    before = served.settings.path.read_bytes()
    assert up_stack(served.settings.path.parents[1], Console(quiet=True)) == 0
    assert served.settings.path.read_bytes() == before
    assert served.airflow("GET", "/api/v2/version").status == 200


@asked_for
def test_a_run_in_the_tiny_profile_ends_recorded_registered_and_stored(served: Served) -> None:
    run_id = "stack-test"
    _await_dag(served)
    assert served.airflow("PATCH", "/api/v2/dags/train_asr", {"is_paused": False}).status == 200
    started = served.airflow("POST", "/api/v2/dags/train_asr/dagRuns", {
        "dag_run_id": run_id, "logical_date": None,
        "conf": {"profile": "tiny", "runner": "docker", "attended": False}})
    assert started.status == 200, started
    run = _finished(served, run_id)
    assert run["state"] == "success", _states(served, run_id).content
    recorded = _recorded(served, run_id)
    assert recorded["info"]["status"] == "FINISHED"
    root = recorded["info"]["artifact_uri"]
    assert root.startswith("s3://evenvoice-mlflow/")
    prefix = root.removeprefix("s3://evenvoice-mlflow/")
    keys = [entry["Key"] for entry in served.objects().list_objects_v2(
        Bucket="evenvoice-mlflow", Prefix=prefix)["Contents"]]
    page = next(key for key in keys if key.endswith("index.html"))
    assert b"<html" in served.objects().get_object(Bucket="evenvoice-mlflow", Key=page)["Body"].read()[:500].lower()


def _await_dag(served: Served) -> None:
    """The DAG processor reads the files for the first time while others already answer."""
    deadline = time.monotonic() + DAG_APPEARS_WITHIN_S
    while served.airflow("GET", "/api/v2/dags/train_asr").status != 200:
        assert time.monotonic() < deadline, served.airflow("GET", "/api/v2/importErrors").content
        time.sleep(3)


def _finished(served: Served, run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + RUN_ENDS_WITHIN_S
    while True:
        run: dict[str, Any] = served.airflow("GET", f"/api/v2/dags/train_asr/dagRuns/{run_id}").content
        if run["state"] in ("success", "failed"):
            return run
        assert time.monotonic() < deadline, _states(served, run_id).content
        time.sleep(3)


def _states(served: Served, run_id: str) -> Answer:
    answer = served.airflow("GET", f"/api/v2/dags/train_asr/dagRuns/{run_id}/taskInstances?limit=200")
    return Answer(answer.status, {task["task_id"]: task["state"] for task in answer.content["task_instances"]})


def _recorded(served: Served, run_id: str) -> dict[str, Any]:
    experiments = served.mlflow("POST", "/api/2.0/mlflow/experiments/search", {"max_results": 10}).content
    found = served.mlflow("POST", "/api/2.0/mlflow/runs/search", {
        "experiment_ids": [experiment["experiment_id"] for experiment in experiments["experiments"]],
        "filter": f"attributes.run_name = '{run_id}'"}).content
    run: dict[str, Any] = found["runs"][0]
    return run


def _execute(engine: Engine, served: Served, service: str, program: str) -> str:
    label = f"label=com.docker.compose.project={served.settings['STACK_NAME']}"
    found = engine.client.run("ps", "--quiet", "--filter", label, "--filter",
                              f"label=com.docker.compose.service={service}").strip()
    return engine.client.run("exec", found, "python3", "-c", program).strip()
