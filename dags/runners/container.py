"""What the container of one job looks like: name, labels, limits, and what it can see of this machine."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from docker.types import DeviceRequest, LogConfig, Mount

from dags.runners.job import Job
from dags.runs import Run
from dags.yaml_files import read_yaml
from evenvoice.made_with import KERNELS
from evenvoice.params import Size

PREFIX: Final = "evenvoice."
RUN, STAGE, STATE, COMMIT, LOG_BEGINS, GPUS = (
    PREFIX + name for name in ("run", "stage", "state", "commit", "log_begins", "gpus"))
NETWORK: Final = "EVENVOICE_STAGE_NETWORK"
_PASSED: Final = (*KERNELS, "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "MKL_NUM_THREADS",
                  "OPENBLAS_NUM_THREADS", "EVENVOICE_PSEUDONYM_KEY")
"""What changes a stage's work wherever it runs; nothing else of this machine's environment reaches a container."""


def name_of(job: Job) -> str:
    """Always the same for one job of one run, so that the engine itself refuses a second one."""
    readable = re.sub(r"[^A-Za-z0-9_.-]", "-", f"{job.run.run_id}-{job.name}")[:120]
    return f"evenvoice-{readable}-{_hash(str(job.run.state), job.run.run_id, job.name)}"


def options(job: Job, *, image: str, commit: str, user: tuple[int, int], gpus: Sequence[str]) -> dict[str, Any]:
    """Everything that the engine has to know to create the container."""
    online = needs_network(job)
    log_begins = job.log.stat().st_size if job.log.exists() else 0
    labels = {**labels_of(job.run), STAGE: job.name, COMMIT: commit, LOG_BEGINS: str(log_begins), GPUS: ",".join(gpus)}
    return {
        "name": name_of(job), "image": image, "labels": labels, "user": f"{user[0]}:{user[1]}",
        "command": ["python", *job.arguments, "--log", str(job.log)], "working_dir": str(job.directory),
        "environment": _environment(job, online=online), "mounts": [bind(job.run.state), *_recordings(job)],
        "network": os.environ.get(NETWORK) or "bridge" if online else "none", **CONFINED, **_limits(job.size, gpus)}


def labels_of(run: Run) -> dict[str, str]:
    """By which the containers of a run are found again; the folder tells one checkout's from another's."""
    return {RUN: run.run_id, STATE: str(run.state)}


CONFINED: Final[dict[str, Any]] = {
    "init": True,  # as PID 1 a worker would get no TERM, and its orphans nobody to bury them
    "read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"], "pids_limit": 4096,
    "tmpfs": {"/tmp": "rw,nosuid,nodev,size=1g,mode=1777"},  # noqa: S108
    # stages write into their own log; this one is for what goes wrong before
    "log_config": LogConfig(type="json-file", config={"max-size": "1m"})}


def bind(path: Path, *, read_only: bool = False) -> Mount:
    """``path`` at the same place inside: hard links and absolute paths mean the same on both sides."""
    return Mount(target=str(path), source=str(path), type="bind", read_only=read_only)


def needs_network(job: Job) -> bool:
    """Only ingest, and only when its corpus or census lies behind an address; every other stage reads files."""
    return job.name == "ingest" and any("://" in place for place in _places(job))


def _recordings(job: Job) -> list[Mount]:
    """Where ingest finds speech of this machine; no other stage sees it."""
    if job.name != "ingest":
        return []
    local = [Path(place) for place in _places(job) if place.startswith("/")]
    return [bind(path, read_only=True) for path in local]


def _places(job: Job) -> list[str]:
    ingest = read_yaml(job.run.workspace / "params.yaml")["ingest"]
    return [str(ingest["corpus"]), str(ingest["census"])]


def _environment(job: Job, *, online: bool) -> Mapping[str, str]:
    passed = {name: value for name, value in os.environ.items()
              if name in _PASSED or (online and name.startswith("AWS_"))}
    return {
        **passed, "PYTHONSAFEPATH": "1",  # what runs is the image's own code, which prepare compared
        "DVC_SITE_CACHE_DIR": str(job.run.state / "dvc"), "DVC_NO_ANALYTICS": "1",
        "HOME": "/tmp", "USER": "evenvoice", **job.environment}  # noqa: S108


def _limits(size: Size | None, gpus: Sequence[str]) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if size and size.memory_gb:
        memory = int(size.memory_gb * 1e9)
        limits |= {"mem_limit": memory, "memswap_limit": memory}  # swapping would only make the same end slower
    if size and size.cpus:
        limits["nano_cpus"] = size.cpus * 10**9
    if gpus:
        limits["device_requests"] = [DeviceRequest(device_ids=list(gpus), capabilities=[["gpu"]])]
    return limits


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]
