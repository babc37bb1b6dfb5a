"""A cluster whose pods do what a test says, behind the real API over HTTP: the runner and its client are real.

    cluster.plays(running(), ended(0))      the next pod runs, and when it is looked at again has ended well
    cluster.lose("node-1")                  as a power cut does: its pods stay as they are, and nothing ends them

Descriptions are validated against Kubernetes' own OpenAPI schema. Of a Job, all pods are made at once, each with the
next script; they are removed one by one, as by the garbage collector of a cluster only later.
"""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kubernetes_validate

from tests.builders import kubernetes_front
from tests.builders.kubernetes_front import Answer, items, status

SCHEMA = "1.37"
Status = dict[str, Any]


def pending(reason: str, message: str = "") -> Status:
    """The container waits."""
    return {"phase": "Pending", "containerStatuses": [_container({"waiting": {"reason": reason, "message": message}})]}


def running(*lines: str) -> Status:
    """The container runs, and has said so much."""
    return {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "lines": lines,
            "containerStatuses": [_container({"running": {}}, ready=True)]}


def ended(code: int, *lines: str, reason: str = "", of_pod: str = "", message: str = "") -> Status:
    """The container ended, for a reason of its own or of its pod."""
    terminated = {"exitCode": code, "reason": reason or ("Error" if code else "Completed")}
    return {"phase": "Failed" if code else "Succeeded", "lines": lines, "reason": of_pod, "message": message,
            "containerStatuses": [_container({"terminated": terminated})]}


@dataclass
class ScriptedCluster:
    """Two nodes, and what is on them."""

    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    nodes: list[dict[str, Any]] = field(default_factory=lambda: [node("node-1"), node("node-2")])
    secrets: set[str] = field(default_factory=lambda: {"evenvoice-stage"})
    forbidden: set[str] = field(default_factory=set)
    """Kinds that may not be read."""
    refusals: list[Answer] = field(default_factory=list)
    """Answers to the next attempts to make something."""
    away_for: int = 0
    """So many more requests are not answered."""
    made: list[dict[str, Any]] = field(default_factory=list)
    """All pods that were ever made."""
    removed: list[tuple[str, int]] = field(default_factory=list)
    """Name and grace of each removal that was asked for."""
    port: int = 0
    _scripts: list[list[Status | Callable[[], None]]] = field(default_factory=list)
    _lost: set[str] = field(default_factory=set)
    _uids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def plays(self, *script: Status | Callable[[], None]) -> None:
        """What the next pod does; a function is called when the pod is looked at, and changes nothing of it."""
        self._scripts.append(list(script))

    def lose(self, name: str) -> None:
        """A node falls silent, and the cluster has noticed."""
        self._lost.add(name)
        for pod in self._on(name):
            pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]

    def comes_back(self, name: str) -> None:
        """The node reports again; what ran there goes on."""
        self._lost.discard(name)
        for pod in self._on(name):
            pod["status"]["conditions"] = [{"type": "Ready", "status": "True"}]

    def drain(self, name: str) -> None:
        """All pods of a node are asked to end, and do."""
        for pod in self._on(name):
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            pod["status"] = {**ended(143), "conditions": [
                {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
                 "message": "Eviction API: evicting"}]}

    def get(self, kind: str, name: str) -> Answer:
        if self._is_away():
            return 503, status("the server is starting")
        if kind in self.forbidden:
            return 403, status(f"{kind} is forbidden")
        if kind == "secrets":
            return (200, {"metadata": {"name": name}}) if name in self.secrets else (404, status(f"no secret {name}"))
        found = getattr(self, kind)
        if name not in found:
            return 404, status(f"{kind} {name} not found")
        with self._lock:
            return 200, self._looked_at(found[name]) if kind == "pods" else found[name]

    def items(self, kind: str, selector: str) -> Answer:
        if self._is_away():
            return 503, status("the server is starting")
        if kind in self.forbidden:
            return 403, status(f"{kind} is forbidden")
        if kind == "nodes":
            return items(self.nodes, "")
        with self._lock:
            code, found = items(list(getattr(self, kind).values()), selector)
            return code, {**found, "items": [self._looked_at(item) if kind == "pods" else item
                                             for item in found["items"]]}

    def create(self, kind: str, described: dict[str, Any], *, dry_run: bool) -> Answer:
        kubernetes_validate.validate(described, SCHEMA, strict=True)
        name = described["metadata"]["name"]
        if self._is_away():
            return 503, status("the server is starting")
        if self.refusals:
            return self.refusals.pop(0)
        if name in getattr(self, kind):
            return 409, status(f"{kind} {name} already exists")
        if not dry_run:
            (self._make_pod if kind == "pods" else self._make_job)(described)
        return 201, described

    def remove(self, kind: str, name: str, grace_s: int) -> Answer:
        if self._is_away():
            return 503, status("the server is starting")
        with self._lock:
            found = getattr(self, kind)
            if name not in found:
                return 404, status(f"{kind} {name} not found")
            self.removed.append((name, grace_s))
            if kind == "pods" and found[name]["spec"]["nodeName"] in self._lost and grace_s:
                found[name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            else:
                del found[name]
            return 200, status("removed")

    def log(self, name: str, query: dict[str, str]) -> Iterator[bytes]:
        stamp = "2026-01-01T00:00:{:02}.0Z " if query.get("timestamps") else ""
        for number, line in enumerate(self.pods[name]["said"] if name in self.pods else ()):
            yield f"{stamp.format(number)}{line}\n".encode()

    def _make_pod(self, described: dict[str, Any], index: int = 0) -> None:
        pod = copy.deepcopy(described)
        pod["metadata"]["uid"] = str(next(self._uids))
        places = [found["metadata"]["name"] for found in self.nodes if found["metadata"]["name"] not in self._lost]
        pod["spec"]["nodeName"] = places[index % len(places)]
        pod |= {"script": self._scripts.pop(0) if self._scripts else [running()], "said": [], "status": {}}
        self.pods[pod["metadata"]["name"]] = pod
        self.made.append(pod)

    def _make_job(self, described: dict[str, Any]) -> None:
        job = copy.deepcopy(described)
        job["metadata"]["uid"] = uid = str(next(self._uids))
        job["status"] = {}
        name = job["metadata"]["name"]
        self.jobs[name] = job
        for index in range(job["spec"]["completions"]):
            pod = copy.deepcopy(job["spec"]["template"])
            pod["metadata"] |= {"name": f"{name}-{index}-{uid}",
                                "labels": {**pod["metadata"]["labels"], "batch.kubernetes.io/controller-uid": uid},
                                "annotations": {**pod["metadata"]["annotations"],
                                                "batch.kubernetes.io/job-completion-index": str(index)}}
            self._make_pod(pod, index)

    def _looked_at(self, pod: dict[str, Any]) -> dict[str, Any]:
        """The pod as it is now; then its script goes on, unless the cluster has taken it away."""
        if pod["script"] and pod["spec"]["nodeName"] not in self._lost and "deletionTimestamp" not in pod["metadata"]:
            step = pod["script"].pop(0)
            if callable(step):
                step()
            else:
                pod["said"] += step.get("lines", ())
                pod["status"] = {name: value for name, value in step.items() if name != "lines" and value != ""}
        return {name: value for name, value in pod.items() if name not in ("script", "said")}

    def _on(self, name: str) -> list[dict[str, Any]]:
        return [pod for pod in self.pods.values() if pod["spec"]["nodeName"] == name]

    def _is_away(self) -> bool:
        self.away_for = max(0, self.away_for - 1)
        return self.away_for > 0


def node(name: str, *, labels: dict[str, str] | None = None, taints: tuple[str, ...] = (), **more: str) -> Any:
    """A machine of the cluster; ``taints`` as key:effect, ``more`` what it has beside cores and memory."""
    return {"metadata": {"name": name, "labels": labels or {}},
            "spec": {"taints": [dict(zip(("key", "effect"), taint.split(":"), strict=True)) for taint in taints]},
            "status": {"allocatable": {"cpu": "8", "memory": "32Gi", **more}}}


@contextmanager
def serving_script(directory: Path) -> Iterator[tuple[ScriptedCluster, Path]]:
    """Serve until the block ends; yields the cluster and its kubeconfig."""
    cluster = ScriptedCluster()
    with kubernetes_front.serving(cluster) as cluster.port:
        yield cluster, kubernetes_front.kubeconfig(directory / "kubeconfig", cluster.port)


def _container(state: dict[str, Any], *, ready: bool = False) -> dict[str, Any]:
    return {"name": "stage", "image": "", "imageID": "", "ready": ready, "restartCount": 0, "state": state}
