"""What is refused before any pod is made, by name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from dags.runners.capacity import demand_even_share
from dags.runners.cluster import Cluster
from dags.runners.pod_settings import PodSettings, Toleration, pod_settings
from dags.runners.reachable import demand_clock, demand_cluster, demand_store
from evenvoice.errors import ParamsError, PreflightError
from evenvoice.object_store import ObjectStore
from evenvoice.params import Resources, load_params
from evenvoice.progress import Progress
from tests.builders.object_server import ObjectServer
from tests.builders.scripted_cluster import ScriptedCluster, node, serving_script

ROOT = Path(__file__).parents[2]
GPU = "nvidia.com/gpu"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedCluster]:
    with serving_script(tmp_path) as (scripted, kubeconfig):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        monkeypatch.delenv("EVENVOICE_POD_SETTINGS", raising=False)
        yield scripted


def resources(**training: Any) -> Resources:
    plain = load_params(ROOT / "params.yaml").resources
    gpu_kind = training.pop("gpu_kind", "")
    return plain.model_copy(update={"gpu_kind": gpu_kind, "training": plain.training.model_copy(update=training)})


def ask(wanted: Resources, directory: Path, **changes: Any) -> list[str]:
    """Ask the cluster for this; returns what was said about it."""
    settings: PodSettings = pod_settings().model_copy(update=changes)
    sink = directory / "progress.jsonl"
    demand_cluster(Cluster(settings.namespace, settings.context), settings, wanted, [pod("a")],
                   Progress("snapshot", sink=sink))
    return [event["note"] for event in map(yaml.safe_load, sink.read_text().splitlines())] if sink.exists() else []


def pod(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [{"name": "stage", "image": "stage"}]}}


def test_a_cluster_that_has_room_is_asked_and_nothing_is_made(cluster: ScriptedCluster, tmp_path: Path) -> None:
    assert ask(resources(), tmp_path) == []
    assert cluster.made == []


@pytest.mark.parametrize(("training", "words"), [
    ({"memory_gb": 64}, "resources.training.memory_gb must be at most 34.36, the most that a node has for pods, got 6"),
    ({"cpus": 9}, "resources.training.cpus must be at most 8, the most that a node has for pods, got 9"),
    ({"gpus": 4}, "resources.training.gpus must be at most 2 of nvidia.com/gpu, the most that a node has for pods"),
    ({"nodes": 3}, "resources.training.nodes must be at most 2, the nodes that can take a training, got 3"),
    ({"gpus": 2, "nodes": 2}, "resources.training.nodes must be at most 1, the nodes that can take a training, got 2"),
])
def test_a_request_that_no_node_can_meet_is_refused_by_name(cluster: ScriptedCluster, tmp_path: Path,
                                                            training: dict[str, Any], words: str) -> None:
    cluster.nodes = [node("node-1"), node("node-2", **{GPU: "2"})]

    with pytest.raises(ParamsError) as refused:
        ask(resources(**training), tmp_path)
    assert words in str(refused.value)


def test_a_kind_of_gpu_that_no_node_has_is_refused_with_those_there_are(cluster: ScriptedCluster,
                                                                       tmp_path: Path) -> None:
    cluster.nodes = [node("node-1", labels={"nvidia.com/gpu.product": "nvidia-l4"}, **{GPU: "1"})]

    with pytest.raises(PreflightError, match=r"gpu\.product=nvidia-h200 must be that of a node, got nvidia-l4 on 1"):
        ask(resources(gpus=1, gpu_kind="nvidia-h200"), tmp_path)
    assert ask(resources(gpus=1, gpu_kind="nvidia-l4"), tmp_path) == []


def test_a_label_of_the_settings_that_no_node_has_is_refused(cluster: ScriptedCluster, tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=r"node label pool=speech must be that of a node, got no such label on 2"):
        ask(resources(), tmp_path, node_selector={"pool": "speech"})


def test_a_node_that_keeps_pods_away_counts_only_where_they_tolerate_that(cluster: ScriptedCluster,
                                                                         tmp_path: Path) -> None:
    cluster.nodes = [node("node-1"), node("node-2", taints=("dedicated:NoSchedule",), **{GPU: "1"})]
    lets_in = Toleration(key="dedicated", operator="Exists", effect="NoSchedule")

    with pytest.raises(ParamsError, match=r"resources\.training\.gpus must be at most 0"):
        ask(resources(gpus=1), tmp_path)
    assert ask(resources(gpus=1), tmp_path, tolerations=[lets_in]) == []


def test_a_node_that_is_cordoned_for_now_counts(cluster: ScriptedCluster, tmp_path: Path) -> None:
    cluster.nodes = [node("node-1", taints=("node.kubernetes.io/unschedulable:NoSchedule",))]

    assert ask(resources(), tmp_path) == []


def test_where_nodes_are_added_for_pods_what_none_has_is_only_said(cluster: ScriptedCluster, tmp_path: Path) -> None:
    [said] = ask(resources(gpus=1), tmp_path, autoscaled=True)

    assert said.startswith("no node fits now, one has to be added (autoscaled in pods.yaml): resources.training.gpus ")


def test_where_nodes_may_not_be_listed_that_is_said_once(cluster: ScriptedCluster, tmp_path: Path) -> None:
    cluster.forbidden = {"nodes", "secrets"}

    [said] = ask(resources(memory_gb=5000), tmp_path)

    assert said.startswith("whether a node fits what resources ask for was not checked: the nodes may not be listed")


def test_a_secret_that_is_missing_is_refused(cluster: ScriptedCluster, tmp_path: Path) -> None:
    cluster.secrets.clear()

    with pytest.raises(PreflightError, match="secret evenvoice-stage in namespace evenvoice must exist"):
        ask(resources(), tmp_path)


@pytest.mark.parametrize("words", [
    'pods "a" is forbidden: error looking up service account evenvoice/evenvoice-stage: serviceaccount not found',
    'pods "a" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'])
def test_a_pod_that_the_cluster_would_refuse_is_refused_in_its_words(cluster: ScriptedCluster, tmp_path: Path,
                                                                     words: str) -> None:
    cluster.refusals = [(403, {"kind": "Status", "message": words})]

    with pytest.raises(PreflightError) as refused:
        ask(resources(), tmp_path)
    assert f"HTTP 403: {words}" in str(refused.value)


def test_a_quota_that_is_used_up_now_is_no_reason_to_refuse(cluster: ScriptedCluster, tmp_path: Path) -> None:
    cluster.refusals = [(403, {"message": 'pods "a" is forbidden: exceeded quota: evenvoice, requested: pods=1, used: '
                                          "pods=64, limited: pods=64"})]

    assert ask(resources(), tmp_path) == ["stages will wait: quota evenvoice is used up: pods=64 of pods=64"]


def test_a_namespace_that_is_missing_is_refused(cluster: ScriptedCluster, tmp_path: Path) -> None:
    cluster.refusals = [(404, {"message": 'namespaces "evenvoice" not found'})]

    with pytest.raises(PreflightError, match="namespace evenvoice must exist, got no such namespace"):
        ask(resources(), tmp_path)


def test_another_clusters_context_is_refused_with_both_names(cluster: ScriptedCluster, tmp_path: Path) -> None:
    assert ask(resources(), tmp_path, context="here") == []

    with pytest.raises(PreflightError, match=r"the context of the kubeconfig must be production, .* got here instead"):
        ask(resources(), tmp_path, context="production")


def test_clocks_that_are_apart_are_refused_with_both_times() -> None:
    here = datetime.now(UTC)
    demand_clock("the store", here - timedelta(minutes=4))

    with pytest.raises(PreflightError, match=r"agree with that of the store within 5 minutes, got .* here and .* ther"):
        demand_clock("the store", here + timedelta(minutes=6))


@pytest.mark.parametrize(("nodes", "processes", "gpus", "words"), [
    (2, 3, 0, r"train\.processes must be a multiple of resources\.training\.nodes, 2, got 3"),
    (2, 16, 4, r"resources\.training\.gpus must be at least 8, one for each of train\.processes on 2 nodes, got 4")])
def test_processes_that_cannot_be_spread_evenly_are_refused(nodes: int, processes: int, gpus: int, words: str) -> None:
    params = load_params(ROOT / "params.yaml")
    asked = params.model_copy(update={"train": params.train.model_copy(update={"processes": processes}),
                                      "resources": resources(nodes=nodes, gpus=gpus)})

    with pytest.raises(ParamsError, match=words):
        demand_even_share(asked)


@pytest.mark.engine
def test_a_bucket_is_written_and_read_before_anything_begins(object_server: ObjectServer,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in object_server.environment().items():
        monkeypatch.setenv(name, value)

    demand_store(ObjectStore.at(f"s3://{object_server.make_bucket()}/root"))

    with pytest.raises(PreflightError, match="bucket nowhere-at-all must exist"):
        demand_store(ObjectStore.at("s3://nowhere-at-all/root"))
