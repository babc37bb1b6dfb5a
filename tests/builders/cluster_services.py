"""What a run on the test cluster needs beside it, at the address by which pods reach this machine.

An object store that speaks S3 (OpenStack Swift), PostgreSQL and MLflow's server: real ones, each in a folder of its
own, and none with anything of this machine's own set-up.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.builders.cluster import Cluster, run
from tests.builders.object_server import ObjectServer, serving

ROOT = Path(__file__).resolve().parents[2]
PODS = ("10.88.0.0/16", "10.89.0.0/16")
"""Addresses of nodes and of pods."""
WAIT_S = 120.0
AS_POSTGRES = ("runuser", "-u", "postgres", "--")


@dataclass(frozen=True)
class Postgres:
    """A database server of this test's own."""

    host: str
    port: int
    password: str
    folder: Path

    def url(self, database: str) -> str:
        """A new, empty database, as SQLAlchemy takes it."""
        self._command("createdb", database)
        return f"postgresql+psycopg2://postgres:{self.password}@{self.host}:{self.port}/{database}"

    def start(self) -> None:
        """Serve, when it answers."""
        self._control("start", "--wait", "--log", self.folder / "log",
                      "--options", f"-h {self.host} -p {self.port} -k {self.folder} -c fsync=off")

    def stop(self) -> None:
        """End as in a crash: no client is told."""
        self._control("stop", "--mode", "immediate")

    def _control(self, command: str, *arguments: str | Path) -> None:
        run(*AS_POSTGRES, _binaries() / "pg_ctl", command, "--pgdata", self.folder / "data", *arguments)

    def _command(self, tool: str, *arguments: str) -> None:
        run(*AS_POSTGRES, "env", f"PGPASSWORD={self.password}", _binaries() / tool,
            "--host", self.host, "--port", str(self.port), "--username", "postgres", *arguments)


@dataclass(frozen=True)
class Services:
    """All of them."""

    cluster: Cluster
    store: ObjectServer
    bucket: str
    database: Postgres
    mlflow_url: str

    @property
    def aws(self) -> dict[str, str]:
        """The standard AWS variables that lead to the store, from pods and from here."""
        nowhere = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")  # DVC wants them to be files
        return {name: value for name, value in self.store.environment(self.store.endpoint_at(self.cluster.host)).items()
                if name not in nowhere}

    @property
    def keys(self) -> dict[str, str]:
        """Those of them that are secret."""
        return {name: value for name, value in self.aws.items() if "KEY" in name}

    def postgres(self, database: str) -> str:
        """A new, empty database, as SQLAlchemy takes it."""
        return self.database.url(database)

    def pod_settings(self, directory: Path, **environment: str) -> Path:
        """The file that EVENVOICE_POD_SETTINGS names: pods.yaml with the address of this store."""
        settings = yaml.safe_load((ROOT / "docker" / "kubernetes" / "pods.yaml").read_text(encoding="utf-8"))
        plain = {name: value for name, value in self.aws.items() if name not in self.keys}
        settings["environment"] |= {**plain, "OMP_NUM_THREADS": "1", **environment}
        (directory / "pods.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        return directory / "pods.yaml"

    def environment(self, image: str, directory: Path) -> dict[str, str]:
        """What `make run RUNNER=kubernetes` has to be told."""
        return {**self.aws, "KUBECONFIG": str(self.cluster.kubeconfig),
                "EVENVOICE_POD_SETTINGS": str(self.pod_settings(directory)), "DVC_NO_ANALYTICS": "1",
                "EVENVOICE_EXCHANGE": f"s3://{self.bucket}/evenvoice", "EVENVOICE_STAGE_IMAGE": image,
                "EVENVOICE_RUNNER": "kubernetes", "MLFLOW_TRACKING_URI": self.mlflow_url}


@contextmanager
def serving_all(cluster: Cluster, folder: Path) -> Iterator[Services]:
    """Serve from ``folder`` until the block ends; the cluster gets the secret of its pods."""
    with serving(folder / "objects", host="0.0.0.0") as store, postgres(cluster.host) as database:
        bucket = store.make_bucket()
        artifacts = f"s3://{bucket}/mlflow"
        with mlflow(cluster.host, database.url("mlflow"), artifacts, store, folder) as url:
            yield Services(cluster, store, bucket, database, url)


@contextmanager
def postgres(host: str) -> Iterator[Postgres]:
    """PostgreSQL from Debian's package. It will not run as root, and folders of tests are closed to other users."""
    with tempfile.TemporaryDirectory(prefix="evenvoice-postgres-") as name:
        folder = Path(name)
        server = Postgres(host, free_port(host), secrets.token_hex(12), folder)
        data, password = folder / "data", folder / "password"
        password.write_text(server.password, encoding="utf-8")
        for path in (folder, password):
            shutil.chown(path, "postgres")
        run(*AS_POSTGRES, _binaries() / "initdb", "--pgdata", data, "--auth", "scram-sha-256",
            "--username", "postgres", "--pwfile", password, "--no-sync")
        with (data / "pg_hba.conf").open("a", encoding="utf-8") as rules:
            rules.writelines(f"host all all {addresses} scram-sha-256\n" for addresses in PODS)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def mlflow(host: str, database: str, artifacts: str, store: ObjectServer, folder: Path) -> Iterator[str]:
    """MLflow's server over PostgreSQL and the store; yields its address."""
    port = free_port(host)
    argv = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--artifacts-destination",
            artifacts, "--host", host, "--port", str(port), "--workers", "1", "--allowed-hosts", f"{host}:{port}"]
    environment = {**os.environ, **store.environment(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                   "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "mlflow.log").open("wb") as log:
        server = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                  stderr=subprocess.STDOUT, start_new_session=True)
    try:
        url = f"http://{host}:{port}"
        deadline = time.monotonic() + WAIT_S
        while not answers(f"{url}/health"):
            assert server.poll() is None, (folder / "mlflow.log").read_text(encoding="utf-8")[-2000:]
            assert time.monotonic() < deadline, "MLflow did not come up"
            time.sleep(0.3)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def answers(url: str) -> bool:
    """Whether a GET ends with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def free_port(host: str) -> int:
    """One that nobody listens on at ``host``."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-qq", "-y", "--no-install-recommends", "postgresql")
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return found[-1]


