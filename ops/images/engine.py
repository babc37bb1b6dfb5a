"""Finds a Docker client that can build with BuildKit and whose engine answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evenvoice.errors import PreflightError

WITHOUT_BUILDX = 23
"""From this version on, the client builds with BuildKit only through the plug-in buildx; before, it is built in."""
INSTALL = "Install it (Debian and Ubuntu: apt install docker.io), or name a client: make ... DOCKER=/path/docker"


@dataclass(frozen=True)
class DockerClient:
    """A command line client that can do everything images need."""

    path: str
    version: str
    build_command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """What ``docker ARGUMENTS`` prints.

        Raises:
            PreflightError: it failed.
        """
        done = _run([self.path, *arguments], stdin)
        if done.returncode:
            raise PreflightError(name=f"docker {' '.join(arguments[:3])}", rule="succeed",
                                 value=done.stderr.strip()[-600:], action="See what the engine says.")
        return done.stdout

    def inspect(self, tag: str) -> dict[str, Any] | None:
        """What the engine knows about the image ``tag``; None where it has none of that name."""
        done = _run([self.path, "image", "inspect", tag])
        found: list[dict[str, Any]] = json.loads(done.stdout) if done.returncode == 0 else []
        return found[0] if found else None


def find_client(chosen: str = "") -> DockerClient:
    """The first client on PATH, or the one ``chosen``, that reaches an engine and can use BuildKit.

    Raises:
        PreflightError: there is no client, no engine answers, or no client has BuildKit.
    """
    paths = _clients(chosen)
    if not paths:
        raise PreflightError(name="docker", rule="be installed", value=f"no {chosen or 'docker on PATH'}",
                             action=INSTALL)
    unanswered = unfit = ""
    for path in paths:
        done = _run([path, "version", "--format", "{{.Client.Version}} {{.Server.Version}}"])
        if done.returncode:
            unanswered = unanswered or f"{done.stderr.strip() or done.stdout.strip()} ({path})"
            continue
        version = done.stdout.split()[0]
        if _run([path, "buildx", "version"]).returncode == 0:
            return DockerClient(path, version, ("buildx", "build", "--load"))
        if int(version.split(".")[0]) < WITHOUT_BUILDX:
            return DockerClient(path, version, ("build",), {"DOCKER_BUILDKIT": "1"})
        unfit = unfit or f"{path} {version} without buildx"
    if unfit:
        raise PreflightError(name="the Docker client", rule="build with BuildKit", value=unfit, action=(
            "Install its plug-in buildx (package docker-buildx or docker-buildx-plugin), "
            "or name a client that has it: make ... DOCKER=/path/docker"))
    raise PreflightError(name="the Docker engine", rule="answer", value=unanswered, action=(
        "Start it, join the group that may use its socket, or set DOCKER_HOST to where it listens."))


def _clients(chosen: str) -> list[str]:
    if chosen:
        found = shutil.which(chosen)
        return [found] if found else []
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return list(dict.fromkeys(path for folder in folders if (path := shutil.which("docker", path=folder))))


def _run(argv: Sequence[str], stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:  # a client for another machine, a broken link
        return subprocess.CompletedProcess(argv, 127, "", f"{Path(argv[0])}: {error.strerror}")
