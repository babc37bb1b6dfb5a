"""Airflow on the test cluster, installed as docker/kubernetes/README.md says: by its official chart with values.yaml.

The cluster has no kube-proxy and no DNS: a relay of this process stands for the service of the API server.
Helm and the chart are not fetched: HELM names the program (else the one on the PATH), EVENVOICE_TEST_CHART the chart's
folder or archive.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.builders.cluster import Cluster, run, wait_until
from tests.builders.cluster_services import Services
from tests.builders.cluster_set_up import MANIFESTS, apply, objects, secret
from tests.builders.stack import Answer, ask

VALUES: Final = MANIFESTS / "values.yaml"
OVERLAY: Final = Path(__file__).resolve().parents[1] / "cluster" / "airflow-values.yaml"
NAMESPACE: Final = "airflow"
STAGES: Final = "evenvoice-of-airflow"
"""Namespace of the pods; other tests use the one of cluster.yaml."""
USER: Final = 10001
CLAIMS: Final = ("evenvoice-airflow", "logs-airflow-scheduler-0")
NOT_FOUND: Final = 404
EXECUTED_WITHIN_S: Final = 300
COMMIT: Final = "0" * 40
"""Of no commit: what the tests try is what lies here."""
API_PORT: Final = 8080
SERVICE: Final = "airflow-api-server"


@dataclass(frozen=True)
class Helm:
    """Helm, with the chart."""

    program: str
    chart: str

    def template(self, *values: Path) -> list[dict[str, Any]]:
        """Every object of the release."""
        said = self._run("template", *self._files(values), "--kube-version", "1.36.2")
        return [document for document in yaml.safe_load_all(said) if document]

    def lint(self, *values: Path) -> str:
        """What it says of the values."""
        return run(self.program, "lint", "--strict", self.chart, *self._files(values))

    def values(self) -> str:
        """The chart's own values, with every key it knows."""
        return run(self.program, "show", "values", self.chart)

    def install(self, kubeconfig: Path, *values: Path) -> None:
        """The command of values.yaml's first lines."""
        self._run("upgrade", "--install", "--kubeconfig", kubeconfig, *self._files(values))

    def uninstall(self, kubeconfig: Path) -> None:
        """Remove the release."""
        run(self.program, "uninstall", "airflow", "--namespace", NAMESPACE, "--kubeconfig", kubeconfig,
            "--ignore-not-found")

    def _run(self, command: str, *arguments: str | Path) -> str:
        return run(self.program, command, "airflow", self.chart, "--namespace", NAMESPACE, *arguments)

    def _files(self, values: tuple[Path, ...]) -> list[str | Path]:
        return [word for path in values for word in ("--values", path)]


def reach_helm() -> Helm:
    """Helm and the chart; the test is skipped, with a reason, where one of them is missing."""
    program, chart = os.environ.get("HELM") or shutil.which("helm"), os.environ.get("EVENVOICE_TEST_CHART")
    if not program:
        pytest.skip("no helm on the PATH, and HELM names none")
    if not chart:
        pytest.skip("EVENVOICE_TEST_CHART names no folder or archive of Airflow's official chart")
    return Helm(program, chart)


@dataclass(frozen=True)
class Airflow:
    """An installation that answers, as a user reaches it."""

    cluster: Cluster
    password: str = field(default_factory=lambda: secrets.token_hex(12))

    @property
    def address(self) -> str:
        return f"http://{self.cluster.host}:{API_PORT}"

    @cached_property
    def _token(self) -> str:
        answer = ask(f"{self.address}/auth/token", "POST", {"username": "admin", "password": self.password}, {})
        assert answer.status == 201, answer
        return str(answer.content["access_token"])

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Airflow's REST API under ``/api/v2``."""
        return ask(f"{self.address}/api/v2/{path}", method, body, {"Authorization": f"Bearer {self._token}"})

    def start(self, dag: str, run_id: str, **conf: Any) -> None:
        """Trigger a run as a user does."""
        wait_until(lambda: self.ask("GET", f"dags/{dag}").status == 200, f"the DAG {dag} to be read", seconds=300)
        assert self.ask("PATCH", f"dags/{dag}", {"is_paused": False}).status == 200
        started = self.ask("POST", f"dags/{dag}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": conf})
        assert started.status == 200, started

    def state(self, dag: str, run_id: str) -> str:
        """Of a run; nothing where Airflow's database does not answer."""
        answer = self.ask("GET", f"dags/{dag}/dagRuns/{run_id}")
        return str(answer.content["state"]) if answer.status == 200 else ""

    def tasks(self, dag: str, run_id: str) -> dict[str, str]:
        """Task -> its state."""
        listed = self.ask("GET", f"dags/{dag}/dagRuns/{run_id}/taskInstances?limit=500").content["task_instances"]
        return {task["task_id"]: task["state"] for task in listed}

    def log(self, dag: str, run_id: str, task: str) -> str:
        """Of a task's first try, which the API server fetches from the scheduler."""
        return str(self.ask("GET", f"dags/{dag}/dagRuns/{run_id}/taskInstances/{task}/logs/1").content)

    def pods(self, namespace: str = STAGES) -> list[str]:
        """Names of the pods there."""
        return [pod.metadata.name for pod in self.cluster.core.list_namespaced_pod(namespace).items]

    def execute(self, component: str, *argv: str) -> str:
        """Run a command in a pod of Airflow's, as `kubectl exec` does."""
        from kubernetes import stream

        pod = self._pod(component)
        process = stream.stream(self.cluster.core.connect_get_namespaced_pod_exec, pod.metadata.name, NAMESPACE,
                                container=component, command=list(argv), stderr=True, stdout=True, stdin=False,
                                tty=False, _preload_content=False)  # else JSON comes back as Python writes it
        try:
            process.run_forever(timeout=EXECUTED_WITHIN_S)
            return str(process.read_all())
        finally:
            process.sock.shutdown()  # close() leaves it open where the other side ended first

    def address_of(self, component: str) -> str:
        """Of the newest pod that is ready, as a service would choose."""
        return str(self._pod(component).status.pod_ip)

    def answers(self) -> bool:
        """Whether the API server does."""
        try:
            return ask(f"{self.address}/api/v2/version", "GET", None, {}).status == 200
        except OSError:
            return False

    def _pod(self, component: str) -> Any:
        found = self.cluster.core.list_namespaced_pod(NAMESPACE, label_selector=f"component={component}").items
        ready = [pod for pod in found if pod.metadata.deletion_timestamp is None
                 and any(condition.type == "Ready" and condition.status == "True"
                         for condition in pod.status.conditions or ())]
        if not ready:
            raise ConnectionError(f"no pod of {component} is ready")
        return max(ready, key=lambda pod: pod.metadata.creation_timestamp)


@contextmanager
def installed(helm: Helm, services: Services, images: dict[str, str], folder: Path) -> Iterator[Airflow]:
    """Install, make a user, and remove everything when the block ends.

    Args:
        images: of ``airflow`` and ``stage``, by digest, which every node has.
        folder: for the values and the two volumes.
    """
    cluster = services.cluster
    airflow = Airflow(cluster)
    with ExitStack() as stack:
        stack.callback(_remove, helm, cluster)
        _prepare(services, folder)
        stack.enter_context(relay(cluster.host, API_PORT, partial(airflow.address_of, "api-server")))
        helm.install(cluster.kubeconfig, _changed_values(services, images, folder), OVERLAY, _aliases(cluster, folder))
        wait_until(airflow.answers, "Airflow's API server to answer", seconds=900)
        said = airflow.execute("api-server", "airflow", "users", "create", "--username", "admin", "--role", "Admin",
                               "--firstname", "Of", "--lastname", "Tests", "--email", "of@tests.example",
                               "--password", airflow.password)
        assert "created" in said, said
        yield airflow


@contextmanager
def relay(host: str, port: int, target: Callable[[], str]) -> Iterator[None]:
    """Pass connections to ``host:port`` on to the same port of ``target``, as a service does."""
    with socket.create_server((host, port)) as listener:
        threading.Thread(target=_accept, args=(listener, port, target), daemon=True).start()
        yield


def _accept(listener: socket.socket, port: int, target: Callable[[], str]) -> None:
    while True:
        try:
            caller, _ = listener.accept()
        except OSError:  # closed
            return
        threading.Thread(target=_connect, args=(caller, port, target), daemon=True).start()


def _connect(caller: socket.socket, port: int, target: Callable[[], str]) -> None:
    with caller:
        try:
            called = socket.create_connection((target(), port), timeout=10)
        except OSError:
            return
        with called:
            called.settimeout(None)
            back = threading.Thread(target=_pass_on, args=(called, caller), daemon=True)
            back.start()
            _pass_on(caller, called)
            back.join()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    try:
        while content := source.recv(1 << 16):
            sink.sendall(content)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # one side went away: the other is told
        for side in (source, sink):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


def _prepare(services: Services, folder: Path) -> None:
    """What has to be there before the chart."""
    cluster = services.cluster
    settings = yaml.safe_load(services.pod_settings(folder).read_text(encoding="utf-8")) | {"namespace": STAGES}
    apply(cluster, *(_in_namespace(manifest) for manifest in objects("cluster.yaml")), *objects("airflow.yaml"),
          secret(STAGES, "evenvoice-stage", {**services.keys, "EVENVOICE_PSEUDONYM_KEY": "of-the-tests"}),
          *_secrets(services),
          {"apiVersion": "v1", "kind": "ConfigMap", "data": {"pods.yaml": yaml.safe_dump(settings)},
           "metadata": {"name": "evenvoice-pods", "namespace": NAMESPACE}},
          *(_volume(claim, folder / claim) for claim in CLAIMS))


def _secrets(services: Services) -> list[dict[str, Any]]:
    """Those of secrets.yaml.template in Airflow's namespace, filled in."""
    content = {**services.keys, "EVENVOICE_PSEUDONYM_KEY": "of-the-tests",
               "connection": services.postgres(f"airflow_{secrets.token_hex(3)}"),
               "fernet-key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
               "api-secret-key": secrets.token_hex(32), "jwt-secret": secrets.token_hex(32)}
    templates = [manifest for manifest in objects("secrets.yaml.template")
                 if manifest["metadata"]["namespace"] == NAMESPACE]
    return [secret(NAMESPACE, manifest["metadata"]["name"],
                   {name: content.get(name, "") for name in manifest["stringData"]}) for manifest in templates]


def _in_namespace(manifest: dict[str, Any]) -> dict[str, Any]:
    """An object of cluster.yaml, for the namespace of these tests' stages."""
    moved = deepcopy(manifest)
    if manifest["kind"] == "Namespace":
        moved["metadata"]["name"] = STAGES
    elif "namespace" in manifest["metadata"]:
        moved["metadata"]["namespace"] = STAGES
    return moved


def _volume(claim: str, folder: Path) -> dict[str, Any]:
    """A folder of this machine for one claim; both nodes see it."""
    folder.mkdir()
    os.chown(folder, USER, USER)
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": claim},
            "spec": {"capacity": {"storage": "100Gi"}, "accessModes": ["ReadWriteOnce"],
                     "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": str(folder)},
                     "claimRef": {"namespace": NAMESPACE, "name": claim}}}


def _changed_values(services: Services, images: dict[str, str], folder: Path) -> Path:
    """values.yaml with what is marked CHANGE changed, and the variables that lead to the services of the tests."""
    values = yaml.safe_load(VALUES.read_text(encoding="utf-8"))
    known = {"EVENVOICE_COMMIT": f"{COMMIT}+changes", "EVENVOICE_STAGE_IMAGE": images["stage"],
             "EVENVOICE_EXCHANGE": f"s3://{services.bucket}/evenvoice",
             "MLFLOW_TRACKING_URI": services.mlflow_url, "PGSSLMODE": "disable"}
    plain = {name: value for name, value in services.aws.items() if name not in services.keys}
    more = {**plain, "KUBERNETES_SERVICE_HOST": services.cluster.host, "KUBERNETES_SERVICE_PORT": "6443"}
    values["images"]["airflow"]["digest"] = images["airflow"].partition("@")[2]
    _set(values, known)
    values["env"] += [{"name": name, "value": value} for name, value in more.items()]
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def _set(values: Any, known: dict[str, str]) -> None:
    """Change variables wherever they stand."""
    if isinstance(values, dict):
        if values.get("name") in known and "value" in values:
            values["value"] = known[values["name"]]
        values = list(values.values())
    if isinstance(values, list):
        for value in values:
            _set(value, known)


def _aliases(cluster: Cluster, folder: Path) -> Path:
    """The name of the chart's service leads to the relay."""
    path = folder / "aliases.yaml"
    aliases = [{"ip": cluster.host, "hostnames": [SERVICE]}]
    path.write_text(yaml.safe_dump({"scheduler": {"hostAliases": aliases}}), encoding="utf-8")
    return path


def _remove(helm: Helm, cluster: Cluster) -> None:
    helm.uninstall(cluster.kubeconfig)
    for namespace in (NAMESPACE, STAGES):
        _unless_gone(cluster.core.delete_namespace, namespace)
    wait_until(lambda: not {NAMESPACE, STAGES} & {found.metadata.name for found in
                                                  cluster.core.list_namespace().items}, "the namespaces to be gone",
               seconds=300)
    for claim in CLAIMS:
        _unless_gone(cluster.core.delete_persistent_volume, claim)


def _unless_gone(remove: Callable[[str], Any], name: str) -> None:
    from kubernetes import client

    try:
        remove(name)
    except client.ApiException as error:
        if error.status != NOT_FOUND:
            raise
