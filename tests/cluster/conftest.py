"""A real Kubernetes and what a run on it needs, once per test process; skipped with a reason where it cannot be had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dags.runners.kubernetes import KubernetesRunner
from dags.runs import Run
from evenvoice.errors import PreflightError
from ops.images.build import Image
from tests.builders import cluster as kubernetes
from tests.builders.cluster import Cluster, import_images
from tests.builders.cluster_services import Services, serving_all
from tests.builders.cluster_set_up import NAMESPACE, kubeconfig_of_airflow, set_up
from tests.builders.engine import Engine
from tests.builders.sweep import begin, expected, finish, found_in_store, sweep_checkout, sweep_image, work_off

AT_ONCE = 4
SWEEP = "evenvoice/sweep:local"


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster of this machine, started unless it answers; it stays, as the container engine does."""
    try:
        return kubernetes.up()
    except PreflightError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def services(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """An object store, PostgreSQL and MLflow at the address by which pods reach this machine."""
    with serving_all(cluster, tmp_path_factory.mktemp("services")) as found:
        set_up(cluster, found)
        yield found


@pytest.fixture(scope="session")
def stage_image_on_nodes(cluster: Cluster, docker_engine: Engine, stage_image: Image,
                         tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name by digest of evenvoice/stage:local, which every node has."""
    directory = tmp_path_factory.mktemp("stage")
    return import_images(cluster, docker_engine.client.path, stage_image.tag, directory=directory)[0]


@pytest.fixture(scope="session")
def airflow_image_on_nodes(cluster: Cluster, docker_engine: Engine, airflow_image: Image,
                           tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same of evenvoice/airflow:local."""
    directory = tmp_path_factory.mktemp("airflow")
    return import_images(cluster, docker_engine.client.path, airflow_image.tag, directory=directory)[0]


@dataclass(frozen=True)
class Site:
    """A checkout whose stages are stand-ins (tests/builders/sweep.py), their image on every node, and a store."""

    root: Path
    cluster: Cluster
    services: Services
    remote: str

    def begin(self, name: str, changes: Mapping[str, object] | None = None, **request: Any) -> Run:
        """What the tasks `snapshot` and `plan` do."""
        return begin(self.root, name, KubernetesRunner(), changes or {}, **request)

    def work_off(self, run: Run) -> frozenset[str]:
        """Every stage that is stale; returns those that worked. What came out has to be what a fresh clone has."""
        worked = work_off(run, KubernetesRunner, AT_ONCE)
        finish(run)
        assert self.found(run) == expected(run.workspace)
        return worked

    def found(self, run: Run) -> dict[str, str]:
        """Every output with what it holds, from the store."""
        return found_in_store(run, self.remote)

    def pods(self) -> list[Any]:
        """Of stages, whichever there are now."""
        found: list[Any] = self.cluster.core.list_namespaced_pod(NAMESPACE).items
        return found


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster, services: Services, docker_engine: Engine,
         stage_image: Image) -> Iterator[Site]:
    """What an engineer who followed docker/kubernetes/README.md has, with the rights of Airflow's account alone."""
    directory, docker = tmp_path_factory.mktemp("site"), docker_engine.client.path
    root = sweep_checkout(directory / "evenvoice")
    (directory / "image").mkdir()
    sweep_image(docker, root, directory / "image", tag=SWEEP)
    [image] = import_images(cluster, docker, SWEEP, directory=directory)
    environment = services.environment(image, directory) | {
        "KUBECONFIG": str(kubeconfig_of_airflow(cluster, directory / "kubeconfig"))}
    services.pod_settings(directory, STAND_IN_WAITS="/dev/null/never")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield Site(root, cluster, services, f"{environment['EVENVOICE_EXCHANGE']}/cache")
