"""As much of the Kubernetes API as the runner uses, over HTTP, with a Docker container for each pod.

A stand-in where no cluster is: descriptions are validated against Kubernetes' own OpenAPI schema, a name is given once,
pods have phases, logs are followed, and deletion gives TERM and a grace. What it does not have: Jobs, a scheduler,
quota, network policies, admission. Containers get no mount of this machine; emptyDir is a tmpfs.
"""

from __future__ import annotations

import json
import secrets as secrets_of_python
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kubernetes_validate

from tests.builders.kubernetes_front import Answer, items, kubeconfig, serving, status

SCHEMA = "1.37"
LABEL = "evenvoice-test-pods"
NODE = {"metadata": {"name": "here", "labels": {}}, "spec": {},
        "status": {"allocatable": {"cpu": "64", "memory": "512Gi"}}}


@dataclass
class PodApi:
    """A namespace and its pods."""

    docker: str
    """Path of the client."""
    network: str
    """Of Docker; what its containers can reach."""
    secrets: Mapping[str, Mapping[str, str]]
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: list[dict[str, Any]] = field(default_factory=list)
    """Every pod that was ever made."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    port: int = 0

    def kubeconfig(self, path: Path) -> Path:
        """Write the settings of a client for this server."""
        return kubeconfig(path, self.port)

    def container(self, name: str) -> str:
        """Name of a pod's container: several test processes may use one engine."""
        return f"{self.network}-{name}"

    def get(self, kind: str, name: str) -> Answer:
        if kind == "pods":
            return self.described(name)
        return (200, {"metadata": {"name": name}}) if name in self.secrets else (404, status(f"no {kind} {name}"))

    def items(self, kind: str, selector: str) -> Answer:
        if kind == "nodes":
            return items([NODE], "")
        found = [self.described(name) for name in list(self.pods)] if kind == "pods" else []
        return items([pod for code, pod in found if code == 200], selector)

    def create(self, kind: str, described: dict[str, Any], *, dry_run: bool) -> Answer:
        pod = described
        assert kind == "pods"
        kubernetes_validate.validate(pod, SCHEMA, strict=True)
        name = pod["metadata"]["name"]
        with self.lock:
            if name in self.pods:
                return 409, status(f"pods {name} already exists")
            if dry_run:
                return 201, pod
            pod["metadata"]["uid"] = secrets_of_python.token_hex(8)
            done = self._docker("run", "--detach", "--network", self.network,
                                "--name", self.container(name), *docker_arguments(pod, self.secrets))
            pod["reason"] = done.stderr.strip()[-300:] if done.returncode else ""
            self.pods[name] = pod
            self.made.append(pod)
            return 201, self.described(name)[1]

    def described(self, name: str) -> Answer:
        with self.lock:
            if name not in self.pods:
                return 404, status(f"pods {name} not found")
            pod = self.pods[name]
        shown = {key: value for key, value in pod.items() if key != "reason"}
        if pod["reason"]:
            waiting = {"reason": "CreateContainerError", "message": pod["reason"]}
            return 200, {**shown, "status": {"phase": "Pending", "containerStatuses": [
                _container(pod, {"waiting": waiting})]}}
        found = self._docker("inspect", self.container(name))
        if found.returncode:
            return 404, status(f"pods {name} not found")
        state = json.loads(found.stdout)[0]["State"]
        if state["Running"]:
            now = {"phase": "Running", "containerStatuses": [_container(pod, {"running": {}})]}
        else:
            code = state["ExitCode"]
            reason = "OOMKilled" if state["OOMKilled"] else "Completed" if code == 0 else "Error"
            ended = {"terminated": {"exitCode": code, "reason": reason}}
            now = {"phase": "Failed" if code else "Succeeded", "containerStatuses": [_container(pod, ended)]}
        return 200, {**shown, "status": now}

    def remove(self, kind: str, name: str, grace_s: int) -> Answer:
        assert kind == "pods"
        with self.lock:
            if name not in self.pods:
                return 404, status(f"pods {name} not found")
            self.pods[name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self._docker("stop", "--time", str(grace_s), self.container(name))
        self._docker("rm", "--force", self.container(name))
        with self.lock:
            self.pods.pop(name, None)
        return 200, status("removed")

    def log(self, name: str, query: dict[str, str]) -> Iterator[bytes]:
        follow = ["--follow"] if "follow" in query else []
        with subprocess.Popen([self.docker, "logs", *follow, "--timestamps", self.container(name)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as following:
            assert following.stdout is not None
            try:
                yield from following.stdout
            finally:
                following.terminate()

    def _docker(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.docker, *arguments], capture_output=True, text=True, check=False)


def docker_arguments(pod: Mapping[str, Any], secrets: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What makes Docker run the container of ``pod`` as a kubelet would."""
    spec, [container] = pod["spec"], pod["spec"]["containers"]
    confined, own = spec["securityContext"], container["securityContext"]
    assert confined["runAsNonRoot"]
    assert own["readOnlyRootFilesystem"]
    assert not own["allowPrivilegeEscalation"]
    variables = {name: value for source in container["envFrom"]
                 for name, value in secrets[source["secretRef"]["name"]].items()}
    variables |= {entry["name"]: entry.get("value") or _told(pod, entry) for entry in container["env"]}
    scratch = [f"{mount['mountPath']}:size=2g,exec,mode=0700,uid={confined['runAsUser']},gid={confined['runAsGroup']}"
               for mount in container["volumeMounts"]]
    flags = {"--label": LABEL, "--workdir": container["workingDir"],
             "--user": f"{confined['runAsUser']}:{confined['runAsGroup']}", "--security-opt": "no-new-privileges",
             "--memory": container["resources"]["limits"]["memory"].lower()}
    return ["--read-only", *(["--init"] if spec["shareProcessNamespace"] else []),
            *(f"--cap-drop={name}" for name in own["capabilities"]["drop"]),
            *(f"{flag}={value}" for flag, value in flags.items()),
            *(f"--tmpfs={mount}" for mount in scratch),
            *(f"--env={name}={value}" for name, value in variables.items()),
            container["image"].partition("@")[2], *container["command"]]


@contextmanager
def network_of_pods(docker: str) -> Iterator[tuple[str, str]]:
    """A network of its own; yields its name and the address at which containers reach this machine."""
    name = f"evenvoice-pods-{secrets_of_python.token_hex(4)}"

    def run(*arguments: str) -> str:
        return subprocess.run([docker, "network", *arguments], capture_output=True, text=True, check=True).stdout

    run("create", name)
    try:
        yield name, run("inspect", name, "--format", "{{(index .IPAM.Config 0).Gateway}}").strip()
    finally:
        run("rm", name)


@contextmanager
def serving_pods(docker: str, network: str, secrets: Mapping[str, Mapping[str, str]]) -> Iterator[PodApi]:
    """Serve until the block ends, then remove every pod."""
    api = PodApi(docker, network, secrets)
    with serving(api) as api.port:
        try:
            yield api
        finally:
            for name in list(api.pods):
                api.remove("pods", name, 0)


def _told(pod: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """A value by the downward API."""
    assert entry["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.uid"
    return str(pod["metadata"]["uid"])


def _container(pod: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": pod["spec"]["containers"][0]["name"], "image": pod["spec"]["containers"][0]["image"],
            "imageID": "", "ready": "running" in state, "restartCount": 0, "state": state}
