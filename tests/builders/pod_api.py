"""As much of the Kubernetes API as the runner uses, over HTTP, with a Docker container for each pod.

A stand-in where no cluster is: descriptions are validated against Kubernetes' own OpenAPI schema, a name is given once,
pods have phases, logs are followed, and deletion gives TERM and a grace. What it does not have: a scheduler, quota,
network policies, admission. Containers get no mount of this machine; emptyDir is a tmpfs.
"""

from __future__ import annotations

import json
import re
import secrets as secrets_of_python
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
import yaml

SCHEMA = "1.37"
LABEL = "evenvoice-test-pods"
PATH = re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/pods(?:/(?P<name>[^/]+)(?P<log>/log)?)?$")


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
        path.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}]}), encoding="utf-8")
        return path

    def container(self, name: str) -> str:
        """Name of a pod's container: several test processes may use one engine."""
        return f"{self.network}-{name}"

    def create(self, pod: dict[str, Any]) -> tuple[int, Any]:
        kubernetes_validate.validate(pod, SCHEMA, strict=True)
        name = pod["metadata"]["name"]
        with self.lock:
            if name in self.pods:
                return 409, _status(f"pods {name} already exists")
            done = self._docker("run", "--detach", "--network", self.network,
                                "--name", self.container(name), *docker_arguments(pod, self.secrets))
            pod["metadata"]["uid"] = done.stdout.strip()[:12]
            pod["reason"] = done.stderr.strip()[-300:] if done.returncode else ""
            self.pods[name] = pod
            self.made.append(pod)
            return 201, self.described(name)[1]

    def described(self, name: str) -> tuple[int, Any]:
        with self.lock:
            if name not in self.pods:
                return 404, _status(f"pods {name} not found")
            pod = self.pods[name]
        shown = {key: value for key, value in pod.items() if key != "reason"}
        if pod["reason"]:
            waiting = {"reason": "CreateContainerError", "message": pod["reason"]}
            return 200, {**shown, "status": {"phase": "Pending", "containerStatuses": [
                _container(pod, {"waiting": waiting})]}}
        found = self._docker("inspect", self.container(name))
        if found.returncode:
            return 404, _status(f"pods {name} not found")
        state = json.loads(found.stdout)[0]["State"]
        if state["Running"]:
            status = {"phase": "Running", "containerStatuses": [_container(pod, {"running": {}})]}
        else:
            code = state["ExitCode"]
            reason = "OOMKilled" if state["OOMKilled"] else "Completed" if code == 0 else "Error"
            ended = {"terminated": {"exitCode": code, "reason": reason}}
            status = {"phase": "Failed" if code else "Succeeded", "containerStatuses": [_container(pod, ended)]}
        return 200, {**shown, "status": status}

    def remove(self, name: str, grace_s: int) -> tuple[int, Any]:
        with self.lock:
            if name not in self.pods:
                return 404, _status(f"pods {name} not found")
            self.pods[name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self._docker("stop", "--time", str(grace_s), self.container(name))
        self._docker("rm", "--force", self.container(name))
        with self.lock:
            self.pods.pop(name, None)
        return 200, _status("removed")

    def remove_all(self, selector: str, grace_s: int) -> tuple[int, Any]:
        label, _, value = selector.partition("=")
        for name, pod in list(self.pods.items()):
            if pod["metadata"]["labels"].get(label) == value:
                self.remove(name, grace_s)
        return 200, _status("removed")

    def follow(self, name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([self.docker, "logs", "--follow", "--timestamps", self.container(name)],
                                stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

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
    variables |= {entry["name"]: entry["value"] for entry in container["env"]}
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
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
    api.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield api
    finally:
        for name in list(api.pods):
            api.remove(name, 0)
        server.shutdown()
        server.server_close()


def _handler(api: PodApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _ = self._asked()
            if path["log"]:
                self._stream(path["name"])
            elif path["name"]:
                self._answer(*api.described(path["name"]))
            else:
                self._answer(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []})

        def do_POST(self) -> None:
            self._asked()
            self._answer(*api.create(self._body()))

        def do_DELETE(self) -> None:
            path, query = self._asked()
            grace_s = int(query.get("gracePeriodSeconds", "30"))
            self._body()
            self._answer(*(api.remove(path["name"], grace_s) if path["name"]
                           else api.remove_all(query["labelSelector"], grace_s)))

        def _asked(self) -> tuple[dict[str, str], dict[str, str]]:
            parts = urlsplit(self.path)
            match = PATH.match(parts.path)
            assert match, self.path
            return match.groupdict(), {name: values[0] for name, values in parse_qs(parts.query).items()}

        def _body(self) -> Any:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return json.loads(content) if content else None

        def _answer(self, code: int, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, name: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with api.follow(name) as following:
                assert following.stdout is not None
                try:
                    for line in following.stdout:
                        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                    self.wfile.write(b"0\r\n\r\n")
                except ConnectionError:  # nobody listens any more
                    following.terminate()
                    self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


def _container(pod: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": pod["spec"]["containers"][0]["name"], "image": pod["spec"]["containers"][0]["image"],
            "imageID": "", "ready": "running" in state, "restartCount": 0, "state": state}


def _status(message: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message}
