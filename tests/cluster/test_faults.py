"""What may happen to a run on a cluster: nothing is lost, no pod is left, and one sentence says why.

Stages are stand-ins that write the hash of what they read (tests/builders/sweep.py), so a wrong result shows; cluster,
scheduler, containers, admission, store, runner and worker are real.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from dags.dvc_graph import load_graph
from dags.operators import stage_job
from dags.pipelines import RECOGNISER
from dags.runners import following
from dags.runners.job import Job, JobError
from dags.runners.kubernetes import KubernetesRunner
from dags.runs import Run
from evenvoice.errors import PreflightError
from tests.builders import stand_in
from tests.builders.cluster import frozen, process_of, wait_until
from tests.builders.cluster_set_up import NAMESPACE
from tests.cluster.conftest import Site

pytestmark = pytest.mark.cluster
A_MINUTE = 60.0


@pytest.fixture(scope="module")
def first(site: Site) -> Run:
    """A whole run: what later ones find."""
    run = site.begin("first")
    with watched(site) as seen:
        worked = site.work_off(run)
    assert worked == set(load_graph(site.root).leading_to(RECOGNISER.last).names)
    assert {pod.spec.node_name for pod in seen.values()} >= {"node1", "node2"}, "both nodes had work"
    return run


def test_a_run_uses_both_nodes_and_leaves_no_pod(site: Site, first: Run) -> None:
    demand_no_pod(site)


def test_a_second_run_restores_every_stage(site: Site, first: Run) -> None:
    run = site.begin("second")

    assert site.work_off(run) == frozenset()


def test_a_pod_killed_in_every_stage_costs_nothing_but_time(site: Site) -> None:
    run = site.begin("killed", {"seed": 7})
    killed: set[str] = set()

    def kill_the_first_of_each(pod: Any) -> None:
        stage = pod.metadata.labels["evenvoice.io/stage"]
        if stage not in killed and pod.status.phase == "Running":
            killed.add(stage)
            remove(site, pod)

    with watched(site, kill_the_first_of_each):
        site.work_off(run)

    assert len(killed) > 0.8 * len(load_graph(run.workspace).names), "the others ended before they could be killed"
    demand_no_pod(site)


def test_two_runs_at_once_do_not_disturb_each_other(site: Site, first: Run) -> None:
    runs = [site.begin("one", {"gate.max_gap": 0.41}), site.begin("other", {"report.min_speakers": 4})]

    with ThreadPoolExecutor(2) as executor:
        one, other = executor.map(site.work_off, runs)

    assert "gate" in one
    assert "report" in other
    assert "gate" not in other


def test_a_node_that_is_drained_hands_its_work_to_the_other(site: Site, first: Run) -> None:
    run = site.begin("drained", {"evaluate.replicates": 301})
    evicted: list[str] = []

    def drain(pod: Any) -> None:
        if not evicted and pod.status.phase == "Running":
            evicted.append(pod.spec.node_name)
            site.cluster.core.patch_node(pod.spec.node_name, {"spec": {"unschedulable": True}})
            evict(site, pod)

    try:
        with watched(site, drain) as seen:
            site.work_off(run)
    finally:
        for name in site.cluster.nodes():
            site.cluster.core.patch_node(name, {"spec": {"unschedulable": None}})

    assert evicted
    assert {pod.spec.node_name for pod in list(seen.values())[1:]} - set(evicted), "the other node went on"


@pytest.mark.parametrize("service", ["apiserver", "store"])
def test_a_service_that_is_away_for_a_minute_is_waited_for(site: Site, first: Run, service: str) -> None:
    run = site.begin(f"without-{service}", {"gate.max_gap": {"apiserver": 0.42, "store": 0.43}[service]})
    stopped = threading.Event()

    def stop_once(pod: Any) -> None:
        if not stopped.is_set() and pod.status.phase == "Running":
            stopped.set()

    def away() -> None:
        stopped.wait(A_MINUTE)
        with frozen(*processes_of(site, service)):
            threading.Event().wait(A_MINUTE)

    absence = threading.Thread(target=away)
    absence.start()
    with watched(site, stop_once):
        site.work_off(run)
    absence.join()

    assert stopped.is_set()
    demand_no_pod(site)


def test_an_image_that_is_missing_is_named_before_long(site: Site, first: Run,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    missing = f"localhost:1/evenvoice/stage@sha256:{'0' * 64}"
    monkeypatch.setattr(following, "IMAGE_S", 5.0)
    monkeypatch.setenv("EVENVOICE_STAGE_IMAGE", missing)
    run = site.begin("no-image", {"gate.max_gap": 0.44})

    with pytest.raises(JobError, match="EVENVOICE_STAGE_IMAGE") as refusal:
        KubernetesRunner().run(stage_job(run, "gate", "light"), lambda _: None)

    assert not refusal.value.transient
    demand_no_pod(site)


def test_a_quota_that_others_use_up_is_waited_for(site: Site, first: Run) -> None:
    run = site.begin("quota", {"gate.max_gap": 0.45})
    core, said = site.cluster.core, []
    allow_pods(site, 1)
    other = core.create_namespaced_pod(NAMESPACE, idle_pod())
    try:
        with ThreadPoolExecutor(1) as executor:
            job = executor.submit(KubernetesRunner().run, stage_job(run, "gate", "light"), said.append)
            wait_until(lambda: any("is used up" in line for line in said) or job.done(), "a word about the quota")
            assert not job.done(), job.exception()
            remove(site, other)
            job.result()
    finally:
        allow_pods(site, 64)

    assert sum("quota evenvoice is used up" in line for line in said) == 1


def test_a_stage_that_the_quota_never_allows_is_refused(site: Site, first: Run) -> None:
    run = site.begin("no-quota", {"gate.max_gap": 0.47})
    allow_pods(site, 0)
    try:
        with pytest.raises(PreflightError, match="all that the quota evenvoice allows"):
            KubernetesRunner().run(stage_job(run, "gate", "light"), lambda _: None)
    finally:
        allow_pods(site, 64)


def test_a_stage_out_of_memory_is_refused_by_the_name_of_its_limit(site: Site, first: Run) -> None:
    run = site.begin("memory", {"gate.max_gap": 0.46})

    with pytest.raises(JobError, match=r"resources\.light\.memory_gb must be enough for gate") as refusal:
        KubernetesRunner().run(with_memory(stage_job(run, "gate", "light"), 0.03), lambda _: None)

    assert not refusal.value.transient
    demand_no_pod(site)


def test_a_stage_that_writes_beyond_its_disk_is_refused_by_the_name_of_its_limit(
        site: Site, first: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = yaml.safe_load(Path(os.environ["EVENVOICE_POD_SETTINGS"]).read_text(encoding="utf-8"))
    settings["scratch_gb"]["light"] = 1
    (tmp_path / "pods.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    monkeypatch.setenv("EVENVOICE_POD_SETTINGS", str(tmp_path / "pods.yaml"))
    run = site.begin("disk", {"evaluate.null_partitions": stand_in.FILLS})

    with pytest.raises(JobError, match=r"scratch_gb\.light .* must be enough for evaluate") as refusal:
        KubernetesRunner().run(stage_job(run, "evaluate", "light"), lambda _: None)

    assert not refusal.value.transient
    demand_no_pod(site)


def demand_no_pod(site: Site) -> None:
    wait_until(lambda: site.pods() == [], "pods to be removed")


def with_memory(job: Job, gigabytes: float) -> Job:
    assert job.size is not None
    return replace(job, size=job.size.model_copy(update={"memory_gb": gigabytes}))


@contextmanager
def watched(site: Site, each: Callable[[Any], None] = lambda _: None) -> Iterator[dict[str, Any]]:
    """Look at all pods again and again while the block runs; yields those that were ever seen, by uid."""
    seen: dict[str, Any] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            try:
                found = site.pods()
            except Exception:  # whatever a test does to the API server
                continue
            for pod in found:
                seen[pod.metadata.uid] = pod
                each(pod)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def allow_pods(site: Site, number: int) -> None:
    site.cluster.core.patch_namespaced_resource_quota(
        "evenvoice", NAMESPACE, {"spec": {"hard": {"pods": str(number)}}})


def idle_pod() -> dict[str, Any]:
    """Somebody else's, as pod security wants it."""
    secure = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
              "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    return {"metadata": {"name": "somebody-elses"}, "spec": {"containers": [
        {"name": "idle", "image": "docker.io/local/pause:1", "imagePullPolicy": "Never", "securityContext": secure,
         "resources": {"requests": {"cpu": "10m", "memory": "10M"}, "limits": {"cpu": "1", "memory": "10M"}}}]}}


def remove(site: Site, pod: Any) -> None:
    """As somebody does who is in a hurry."""
    site.cluster.core.delete_namespaced_pod(pod.metadata.name, NAMESPACE, grace_period_seconds=0)


def evict(site: Site, pod: Any) -> None:
    """As `kubectl drain` does."""
    body = client.V1Eviction(metadata=client.V1ObjectMeta(name=pod.metadata.name, namespace=NAMESPACE))
    site.cluster.core.create_namespaced_pod_eviction(pod.metadata.name, NAMESPACE, body)


def processes_of(site: Site, service: str) -> list[int]:
    """Those that answer for it."""
    if service == "apiserver":
        return [process_of("apiserver")]
    return site.services.store.processes()


