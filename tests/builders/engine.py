"""A real Docker engine and the project's images on it, for whichever test asks.

Fixtures (tests/conftest.py, session scope; nothing to import in a test file):

    docker_engine   Engine: .client (ops.images.engine.DockerClient: .path, .run(...)), .host (value for DOCKER_HOST)
    stage_image     ops.images.build.Image of evenvoice/stage:local, made from this checkout: .tag, .digest, .labels
    airflow_image   the same of evenvoice/airflow:local

The engine is the one that answers. Where none does, root on a Debian machine gets one installed and started on
the default socket; it and its images stay, so the next test process and the next session find them
(stop it by: kill $(cat .evenvoice/engine/dockerd.pid)). Elsewhere the test is skipped and says why.
Images need no registry: base and wheels are made here once. Test processes that run side by side wait for each other.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from evenvoice.errors import EvenvoiceError, PreflightError
from evenvoice.storage import read_json
from ops.images.base import BASE_TAG, make_base, make_wheelhouse
from ops.images.build import BuildOptions, Image, build_images, image_labels
from ops.images.context import KINDS
from ops.images.engine import DockerClient, find_client

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".evenvoice" / "engine"
DEFAULT_HOST = "unix:///var/run/docker.sock"
SECONDS_TO_START = 60
QUIET = Console(quiet=True)
STARTED: list[subprocess.Popen[bytes]] = []
"""Outlives the tests on purpose; Python warns when it forgets a process that still runs."""


@dataclass(frozen=True)
class Engine:
    """An engine that answered."""

    client: DockerClient
    host: str


def reach_engine() -> Engine:
    """The engine that answers, started if need be; skips the test where that is impossible."""
    with _lock("engine"):
        try:
            client = find_client()
        except PreflightError as error:
            client = _start(error)
    return Engine(client, os.environ.get("DOCKER_HOST", DEFAULT_HOST))


def built_image(engine: Engine, name: str) -> Image:
    """The image ``name`` of this checkout; skips the test where no base for it can be made."""
    with _lock("images"):
        kind = KINDS[name]
        record = ROOT / ".evenvoice" / "images" / f"{name}.json"
        found = engine.client.inspect(f"evenvoice/{name}:local")
        if found and record.exists():
            image = Image(**read_json(record))
            wanted = image_labels(ROOT, kind, "cpu")
            if image.digest == found["Id"] and _content(image.labels) == _content(wanted):
                return image
        try:
            base = BASE_TAG if engine.client.inspect(BASE_TAG) else make_base(engine.client, QUIET)
        except PreflightError as error:
            pytest.skip(f"no base image for {name}: {error}")
        wheelhouse = make_wheelhouse(ROOT, QUIET, images=(name,))
        options = BuildOptions(base_image=base, wheelhouse=wheelhouse, docker=engine.client.path)
        return build_images(ROOT, QUIET, options, (name,))[0]


def _content(labels: object) -> tuple[str, str]:
    assert isinstance(labels, dict)
    return labels["io.evenvoice.code"], labels["io.evenvoice.lock"]


def _start(reason: EvenvoiceError) -> DockerClient:
    """Install and start an engine, as far as this machine allows."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip(f"no Docker engine, and only root on a Debian machine can start one: {reason}")
    if shutil.which("dockerd") is None or shutil.which("mmdebstrap") is None:
        _install("docker.io", "mmdebstrap")
    log = STATE / "dockerd.log"
    with log.open("ab") as sink:
        daemon = subprocess.Popen(["dockerd", "--host", DEFAULT_HOST], stdout=sink, stderr=sink,
                                  start_new_session=True)
    STARTED.append(daemon)
    (STATE / "dockerd.pid").write_text(str(daemon.pid), encoding="utf-8")
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and daemon.poll() is None:
        try:
            return find_client()
        except PreflightError:
            time.sleep(0.5)
    pytest.skip(f"dockerd did not start: {log.read_text(encoding='utf-8', errors='replace')[-800:]}")


def _install(*packages: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for argv in (["apt-get", "update", "-qq"], ["apt-get", "install", "-qq", "--no-install-recommends", *packages]):
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{' '.join(argv)} failed: {done.stderr.strip()[-400:]}")


@contextmanager
def _lock(name: str) -> Iterator[None]:
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
