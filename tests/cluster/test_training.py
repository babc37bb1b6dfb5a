"""Training on a real cluster: a node lost in the middle, and two nodes that train together.

The stages are those of the project, on the tiny profile; the model has to be the same, bit for bit, as one trained on
this machine without any cluster.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dags.dvc_graph import load_graph
from dags.operators import stage_job
from dags.runners.kubernetes import KubernetesRunner
from dags.runs import Run
from dags.workspace import Request, create, describe, publish_lock
from evenvoice import dvc_lock
from evenvoice.object_store import ObjectStore
from tests.builders.checkout import full_checkout
from tests.builders.cluster import Cluster, wait_until
from tests.builders.cluster_services import Services
from tests.builders.cluster_set_up import NAMESPACE, kubeconfig_of_airflow
from worker import dvc_door

pytestmark = pytest.mark.cluster
LONG_ENOUGH: Mapping[str, object] = {"train.steps": 600, "train.checkpoint_every_s": 1}
NAMED_WITHIN_S = 60.0
ON_ITS_WAY_WITHIN_S = 180.0


@dataclass
class Site:
    """A checkout with the real stages, and whoever follows one of them."""

    root: Path
    cluster: Cluster
    said: list[tuple[float, str]] = field(default_factory=list)

    def begin(self, name: str, changes: Mapping[str, object]) -> Run:
        run = Run(self.root, name)
        create(run, Request(profile="tiny", changes=dict(changes)))
        describe(run, KubernetesRunner().prepare(run))
        return run

    def stage(self, run: Run, name: str) -> None:
        node = next(node for node in load_graph(run.workspace) if node.name == name)
        KubernetesRunner().run(stage_job(run, name, node.size), lambda line: self.said.append((time.monotonic(), line)))
        publish_lock(run)

    def when(self, word: str) -> float | None:
        """When this was said first."""
        return next((at for at, line in self.said if word in line), None)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster, services: Services,
         stage_image_on_nodes: str) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("training")
    environment = services.environment(stage_image_on_nodes, directory) | {
        "KUBECONFIG": str(kubeconfig_of_airflow(cluster, directory / "kubeconfig"))}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        site = Site(full_checkout(directory / "checkout"), cluster)
        before = site.begin("before", {})
        for name in ("ingest", "tokenizer", "featurize"):
            site.stage(before, name)
        yield site


def test_a_node_lost_in_training_is_named_and_the_other_goes_on_bit_for_bit(site: Site) -> None:
    run = site.begin("lost", LONG_ENOUGH)
    store = ObjectStore.at(f"{os.environ['EVENVOICE_EXCHANGE']}/runs/{run.directory.name}")
    site.said.clear()
    with ThreadPoolExecutor(1) as executor:
        training = executor.submit(site.stage, run, "train")
        wait_until(lambda: training.done() or store.exists("checkpoints/train/latest.json"), "a checkpoint",
                   seconds=180)
        [pod] = site.cluster.core.list_namespaced_pod(NAMESPACE).items
        lost, number = time.monotonic(), int(pod.spec.node_name.removeprefix("node"))
        site.cluster.lose(number)
        try:
            wait_until(lambda: training.done() or site.when("training goes on from"), "training to go on", seconds=300)
            training.result()
        finally:
            site.cluster.bring_back(number)

    named, resumed = site.when(f"node{number}"), site.when("training goes on from")
    assert named is not None
    assert named - lost < NAMED_WITHIN_S
    assert resumed is not None
    assert resumed - lost < ON_ITS_WAY_WITHIN_S
    assert model_of(run) == trained_here(run)
    wait_until(lambda: site.cluster.core.list_namespaced_pod(NAMESPACE).items == [], "the lost pod to be forgotten")
    assert running_on(site.cluster, number) == [], "nothing runs twice when the node comes back"


def test_two_nodes_train_together_and_one_of_them_is_lost(site: Site) -> None:
    run = site.begin("together", {**LONG_ENOUGH, "train.processes": 2, "resources.training.nodes": 2})
    store = ObjectStore.at(f"{os.environ['EVENVOICE_EXCHANGE']}/runs/{run.directory.name}")
    site.said.clear()
    with ThreadPoolExecutor(1) as executor:
        training = executor.submit(site.stage, run, "train")
        wait_until(lambda: training.done() or store.exists("checkpoints/train/latest.json"), "a checkpoint",
                   seconds=240)
        training.done() and training.result()
        nodes = {pod.spec.node_name for pod in site.cluster.core.list_namespaced_pod(NAMESPACE).items}
        assert nodes == {"node1", "node2"}
        site.cluster.lose(2)
        named = wait_until(lambda: training.done() or site.when("node2"), "the node to be named", seconds=90)
        site.cluster.bring_back(2)
        training.result()

    assert named is not True
    assert site.when("training goes on from") is not None
    assert model_of(run) == trained_here(run)


def model_of(run: Run) -> str:
    """Hash over all files of the model that the run published."""
    return hash_of_model(run.workspace)


def hash_of_model(workspace: Path) -> str:
    [out] = dvc_lock.entries(workspace / "dvc.lock")["train"]["outs"]
    return str(out["md5"])


def trained_here(run: Run) -> str:
    """The same by `python -m stages.train` on this machine, from what the stages before it published."""
    workspace = run.directory / "here"
    subprocess.run(["cp", "-r", run.workspace, workspace], check=True)
    (workspace / ".dvc" / "config.local").write_text(
        dvc_door.config(remote=f"{os.environ['EVENVOICE_EXCHANGE']}/cache"), encoding="utf-8")
    done = dvc_door.run("pull", "--quiet", "featurize", "tokenizer", directory=workspace)
    assert done.returncode == 0, done.stderr
    subprocess.run([sys.executable, "-m", "stages.train"], cwd=workspace, check=True, capture_output=True,
                   env={**os.environ, "PYTHONPATH": str(workspace), "OMP_NUM_THREADS": "1"})
    done = dvc_door.run("commit", "--quiet", "--force", "train", directory=workspace)
    assert done.returncode == 0, done.stderr
    return hash_of_model(workspace)


def running_on(cluster: Cluster, number: int) -> list[str]:
    """Containers of stages that a node's containerd runs."""
    listed = subprocess.run(["ctr", "--address", f"/run/evenvoice-cluster/node{number}.sock", "--namespace", "k8s.io",
                             "tasks", "list"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if "RUNNING" in line]


