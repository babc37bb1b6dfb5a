"""`make up` and `make down`: Airflow and MLflow on this machine, and the end of exactly those processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console

from dags.runs import state_of
from evenvoice.errors import PreflightError
from evenvoice.storage import read_json, write_json
from evenvoice.tracking.location import artifact_store
from ops.environment import environment
from ops.pools import ensure_pools
from ops.processes import end_tree, started_at

WAIT_S = 300.0
POLL_S = 0.5
LOG_LINES = 15


@dataclass(frozen=True)
class Service:
    """A server that `make up` starts."""

    name: str
    argv: tuple[str, ...]
    port: int
    health: str
    """Path that answers with 200 once the server is ready."""
    setting: str
    """How to choose another port."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"


@dataclass(frozen=True)
class Started:
    """What `make down` has to know; the time tells the process from a later one with the same number."""

    name: str
    pid: int
    started_at: float
    address: str
    log: str

    @property
    def alive(self) -> bool:
        return started_at(self.pid) == self.started_at


def up(root: Path, console: Console, *, airflow_port: int, mlflow_port: int) -> int:
    """Start what is not running yet, wait until it answers, and say where it is.

    Raises:
        PreflightError: a port is taken, or a server ended before it answered.
        ParamsError: a stage wants more GPUs than there are.
    """
    services = (_airflow(airflow_port), mlflow_service(root, mlflow_port))
    absent = [service for service in services if not _is_alive(root, service)]
    for service in absent:  # before any is started, so that a refusal leaves nothing behind
        _demand_free(service)
    for service, started in [(service, _start(root, service)) for service in absent]:
        with console.status(f"{service.name} is starting ..."):
            _wait(service, started)
    ensure_pools(root, environment(root))
    _print_addresses(root, console)
    return 0


def down(root: Path, console: Console) -> int:
    """Stop what :func:`up` started; whatever else runs here is left alone."""
    found = [_read(path) for path in sorted(_folder(root).glob("*.json"))]
    for started in found:
        if started.alive:
            end_tree(started.pid)
            console.print(f"{started.name} stopped", highlight=False)
        (_folder(root) / f"{started.name}.json").unlink(missing_ok=True)
    if not any(found):
        console.print("nothing was running", highlight=False)
    return 0


def _airflow(port: int) -> Service:
    address = f"http://127.0.0.1:{port}"
    return Service("airflow", (sys.executable, "-m", "airflow", "standalone"), port, "/api/v2/monitor/health",
                   "AIRFLOW_PORT", {
                       "AIRFLOW__API__PORT": str(port),
                       "AIRFLOW__API__BASE_URL": address,
                       # tasks reach the scheduler here, and would look for it at 8080 otherwise
                       "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/"})


def mlflow_service(root: Path, port: int) -> Service:
    """MLflow's server; EVENVOICE_ARTIFACTS=s3://bucket/prefix keeps its files in an object store.

    Raises:
        ParamsError: EVENVOICE_ARTIFACTS is no address in an object store.
    """
    folder = state_of(root) / "mlflow"
    argv = (sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
            "--artifacts-destination", artifact_store() or str(folder / "artifacts"), "--host", "127.0.0.1",
            "--port", str(port), "--workers", "1", "--allowed-hosts", f"localhost:{port},127.0.0.1:{port}")
    return Service("mlflow", argv, port, "/health", "MLFLOW_PORT")


def _start(root: Path, service: Service) -> Started:
    """In a session of its own, so that it outlives this command and can be ended as a whole."""
    log = _folder(root) / f"{service.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    (state_of(root) / "mlflow").mkdir(exist_ok=True)
    env = {**environment(root), **service.environment}
    with log.open("wb") as output:
        process = subprocess.Popen(service.argv, cwd=state_of(root), env=env, stdin=subprocess.DEVNULL,  # noqa: S603
                                   stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    started = Started(service.name, process.pid, started_at(process.pid) or 0.0, service.address, str(log))
    write_json(_folder(root) / f"{service.name}.json", asdict(started))
    return started


def _wait(service: Service, started: Started) -> None:
    deadline = time.monotonic() + WAIT_S
    while not _answers(f"http://127.0.0.1:{service.port}{service.health}"):
        if not started.alive or time.monotonic() > deadline:
            lines = Path(started.log).read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
            raise PreflightError(name=service.name, rule=f"answer within {WAIT_S:g} s",
                                 value="silence" if started.alive else "its end:\n" + "\n".join(lines),
                                 action=f"Read {started.log}; `make down` stops what is running.")
        time.sleep(POLL_S)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _demand_free(service: Service) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", service.port))
        except OSError:
            raise PreflightError(
                name=f"port {service.port}", rule=f"be free for {service.name}", value="another program there",
                action=f"Stop it, or choose another port: make up {service.setting}={service.port + 1000}") from None


def _print_addresses(root: Path, console: Console) -> None:
    for path in sorted(_folder(root).glob("*.json")):
        started = _read(path)
        console.print(f"{started.name:<8} {started.address}   log {os.path.relpath(started.log)}", highlight=False)
    passwords = state_of(root) / "airflow" / "simple_auth_manager_passwords.json.generated"
    if passwords.exists():
        for user, password in json.loads(passwords.read_text(encoding="utf-8")).items():
            console.print(f"log in to Airflow as {user} with password {password}", highlight=False, markup=False)
    console.print("MLflow asks for no password. Both answer on this machine only. `make down` stops them.",
                  highlight=False, soft_wrap=True)


def _is_alive(root: Path, service: Service) -> bool:
    path = _folder(root) / f"{service.name}.json"
    return path.exists() and _read(path).alive


def _read(path: Path) -> Started:
    return Started(**read_json(path))


def _folder(root: Path) -> Path:
    return state_of(root) / "services"
