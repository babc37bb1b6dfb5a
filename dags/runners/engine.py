"""The door to Docker: the only module that speaks to the engine, and puts its failures into our words."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container as Handle
from docker.models.images import Image

from evenvoice.errors import EvenvoiceError, PreflightError, TransientError, WorkspaceError

STOP_S: Final = 15
"""Between TERM and KILL; longer than the worker needs to end its stage."""
ANSWER_S: Final = 60 + STOP_S
_AWAY: Final = (requests.ConnectionError, requests.Timeout, ConnectionError)
_ABSENT_SOURCE: Final = re.compile(r"bind source path does not exist: (\S+)")


class EngineAway(Exception):
    """The engine does not answer at the moment; containers may well go on without it."""


class Gone(Exception):
    """There is no such container, or none any more."""


@dataclass(frozen=True)
class State:
    """How a container is."""

    status: str
    exit_code: int
    out_of_memory: bool
    """The kernel ended a process in it, the first or another, because it reached its limit."""

    @property
    def over(self) -> bool:
        return self.status in ("exited", "dead")


class Engine:
    """A connection to the engine that DOCKER_HOST names, or to the local one."""

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client

    def image(self, name: str) -> Image:
        """An image that is on this engine; nothing is pulled.

        Raises:
            PreflightError: it is not there.
        """
        with _translated(name):
            return self._client.images.get(name)

    def find(self, name: str) -> Handle | None:
        """The container of that name, in whatever state."""
        with _translated(name):
            try:
                return self._client.containers.get(name)
            except NotFound:
                return None

    def labelled(self, labels: Mapping[str, str]) -> list[Handle]:
        """All containers with these labels, running or not."""
        with _translated("the list of containers"):
            wanted = [f"{name}={value}" if value else name for name, value in labels.items()]
            return list(self._client.containers.list(all=True, ignore_removed=True, filters={"label": wanted}))

    def create(self, options: Mapping[str, Any]) -> Handle:
        """A new container, or the one of that name which somebody else made in the meantime."""
        with _translated(options["name"], options["image"]):
            try:
                return self._client.containers.create(**options)
            except APIError as error:
                if error.status_code == 409:
                    return self._client.containers.get(options["name"])
                raise

    def start(self, container: Handle) -> None:
        """Let it run; does nothing where it runs already."""
        with _translated(container.name):
            container.start()

    def state(self, container: Handle) -> State:
        """How it is now.

        Raises:
            Gone: it was removed.
        """
        with _translated(container.name):
            try:
                container.reload()
            except NotFound:
                raise Gone from None
        state = container.attrs["State"]
        return State(state["Status"], int(state["ExitCode"]), bool(state["OOMKilled"]))

    def said(self, container: Handle) -> bytes:
        """What it wrote to the engine rather than to its log: little, and only when something went wrong early."""
        with _translated(container.name):
            try:
                return bytes(container.logs(tail=50))
            except APIError as error:
                if error.status_code in (404, 409):  # it is gone, or somebody is removing it
                    return b""
                raise

    def end(self, container: Handle) -> None:
        """TERM, a wait, KILL, and removal, whichever of these it still needs."""
        with _translated(container.name), contextlib.suppress(NotFound):
            container.stop(timeout=STOP_S)
            self.remove(container)

    def remove(self, container: Handle) -> None:
        """Remove it; running or not."""
        with _translated(container.name), contextlib.suppress(NotFound):
            try:
                container.remove(force=True, v=True)
            except APIError as error:
                if error.status_code != 409:  # somebody else is removing it
                    raise


@contextlib.contextmanager
def connected() -> Iterator[Engine]:
    """A connection for one purpose; never shared with signal handlers, which would find its locks held.

    Raises:
        PreflightError: this user may not use the engine.
        EngineAway: nobody answers.
    """
    try:
        client = docker.from_env(timeout=ANSWER_S, version=_version())
    except (DockerException, *_AWAY) as error:
        if "Permission denied" in str(error):
            raise PreflightError(
                name=address(), rule="be open to this user", value="permission denied",
                action="Add the user to the group docker (`sudo usermod -aG docker $USER`, then log in again), or name "
                       "another engine in DOCKER_HOST.") from error
        raise EngineAway(_words(error)) from error
    try:
        yield Engine(client)
    finally:
        client.close()


def _version() -> str:
    """What the engine speaks; asked here, since the client's own question leaves its socket open when it fails."""
    asking = docker.from_env(timeout=ANSWER_S, version="1.24")
    try:
        return str(asking.version(api_version=False)["ApiVersion"])
    finally:
        asking.close()


def address() -> str:
    """Where the engine is looked for."""
    return f"the Docker engine at {os.environ.get('DOCKER_HOST') or 'unix:///var/run/docker.sock'}"


def absent(reason: EngineAway) -> PreflightError:
    """What to say when there is no engine at all."""
    return PreflightError(name=address(), rule="answer", value=str(reason),
                          action="Start it (`systemctl start docker`), name another in DOCKER_HOST, or do without: "
                                 "RUNNER=process.")


@contextlib.contextmanager
def _translated(name: str, image: str = "") -> Iterator[None]:
    try:
        yield
    except _AWAY as error:
        raise EngineAway(_words(error)) from error
    except ImageNotFound:
        raise PreflightError(name=f"the image {image or name}", rule="be on " + address(), value="none of that name",
                             action="Run `make images`, or name another in EVENVOICE_STAGE_IMAGE.") from None
    except APIError as error:
        raise _refusal(name, error) from error


def _refusal(name: str, error: APIError) -> EvenvoiceError:
    words = _words(error)
    if found := _ABSENT_SOURCE.search(words):
        return PreflightError(name=found[1], rule="exist on the machine of " + address(), value="no such path",
                              action="The engine and the checkout must see the same files at the same path.")
    if "no space left on device" in words:
        return WorkspaceError(name=address(), rule="have room for a container", value="no space left on device",
                              action="`docker system df` shows what takes it; free some and start again.")
    if "could not select device driver" in words:
        return PreflightError(name=address(), rule="know GPUs", value=words,
                              action="Install the NVIDIA Container Toolkit, or set resources.<size>.gpus to 0.")
    if "range of CPUs" in words:
        return PreflightError(name="resources.<size>.cpus", rule="be at most what the machine has", value=words,
                              action="Lower it in params.yaml; 0 takes all.")
    # 409: it is being removed at this moment
    kind = TransientError if error.status_code == 409 or (error.status_code or 0) >= 500 else PreflightError
    return kind(name=name, rule="be accepted by " + address(), value=words, action="Its own log may say more.")


def _words(error: Exception) -> str:
    return " ".join(str(getattr(error, "explanation", None) or error).split())[:500]
