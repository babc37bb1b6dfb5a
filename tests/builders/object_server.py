"""A real object store for tests: OpenStack Swift with signature checks, multipart and disk storage.

The server is the one of docker/objectstore; its packages go into an environment of their own below .evenvoice, made
once per lock. Nothing here needs root or a container engine.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "locks" / "objectstore.txt"
SERVE = ROOT / "docker" / "objectstore" / "serve.py"
ACCESS_KEY = "evenvoice:store"
REGION = "us-east-1"
WAIT_S = 300.0


@dataclass(frozen=True)
class ObjectServer:
    """A running server."""

    host: str
    """What it listens on: 127.0.0.1, or 0.0.0.0 to be reached from containers."""
    port: int
    access_key: str
    secret: str
    data: Path
    """Everything it keeps; objects lie below ``devices/disk/objects`` as plain files."""
    process: int = 0
    """The first of its processes."""

    @property
    def endpoint(self) -> str:
        """Address from this machine."""
        return self.endpoint_at("127.0.0.1")

    def endpoint_at(self, host: str) -> str:
        """Address by another name of this machine, e.g. that of the bridge to containers."""
        return f"http://{host}:{self.port}"

    def environment(self, endpoint: str = "") -> dict[str, str]:
        """The standard AWS variables that lead here, or through ``endpoint``; no profile of this machine counts."""
        nothing = str(self.data / "no-such-file")
        return {"AWS_ENDPOINT_URL": endpoint or self.endpoint, "AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_DEFAULT_REGION": REGION,
                "AWS_CONFIG_FILE": nothing, "AWS_SHARED_CREDENTIALS_FILE": nothing}

    def client(self) -> Any:
        """boto3 beside the door of evenvoice, for what a test has to arrange behind its back."""
        import boto3

        return boto3.client("s3", endpoint_url=self.endpoint, aws_access_key_id=self.access_key,
                            aws_secret_access_key=self.secret, region_name=REGION)

    def processes(self) -> list[int]:
        """All of its processes."""
        return [self.process, *(child.pid for child in psutil.Process(self.process).children(recursive=True))]

    def make_bucket(self, name: str = "") -> str:
        """A new, empty bucket; returns its name."""
        bucket = name or f"test-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=bucket)
        return bucket


@contextmanager
def serving(data: Path, *, host: str = "127.0.0.1") -> Iterator[ObjectServer]:
    """Serve from ``data`` until the block ends."""
    python = _environment()
    data.mkdir(parents=True, exist_ok=True)
    server = ObjectServer(host, _free_port(), ACCESS_KEY, secrets.token_hex(16), data)
    log = data / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, SERVE, "--data", data, "--host", host, "--port", str(server.port)], stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True, stdin=subprocess.DEVNULL,
            env=_clean(os.environ) | {"EVENVOICE_STORE_ACCESS_KEY": ACCESS_KEY,
                                      "EVENVOICE_STORE_SECRET_KEY": server.secret})
    try:
        _wait(process, log)
        yield replace(server, process=process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            _end_group(process.pid)


def _environment() -> Path:
    """Python of the environment with the server's packages; whoever comes first makes it, the others wait."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    home = ROOT / ".evenvoice" / "objectstore" / digest
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "whole").exists():
            shutil.rmtree(home, ignore_errors=True)
            _quietly([sys.executable, "-m", "venv", str(home)])
            _quietly([str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--requirement", str(LOCK)])
            (home / "whole").touch()
    return home / "bin" / "python"


def _quietly(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_clean(os.environ))
    if done.returncode:
        raise AssertionError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what leads Python to this checkout's packages."""
    return {name: value for name, value in environment.items() if not name.startswith("PYTHON")}


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while b"ready on" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"the object store did not come up:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_group(group: int) -> None:
    """Servers that outlived the program that started them."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
