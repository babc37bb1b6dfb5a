"""The door to Kubernetes: the only module that imports its client, with what it answers in our words."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException

from evenvoice.errors import EvenvoiceError, PreflightError, TransientError

ANSWER_S: Final = 30
LOG_SILENCE_S: Final = 60
"""A stream of logs that says nothing for so long is opened again: load balancers drop idle connections unseen."""
_NEVER_STARTS: Final = ("InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError")
_MAY_START: Final = ("ErrImagePull", "ImagePullBackOff")


class Exists(Exception):
    """There is a pod of this name."""


@dataclass(frozen=True)
class State:
    """How a pod is."""

    phase: str
    """Pending, Running, Succeeded, Failed, or Gone."""
    exit_code: int | None = None
    """Of the stage's container, once that has ended."""
    reason: str = ""
    """OOMKilled, DeadlineExceeded, Evicted, ImagePullBackOff, Unschedulable, ..."""
    message: str = ""
    uid: str = ""
    leaving: bool = False
    """Somebody asked for its removal."""

    @property
    def over(self) -> bool:
        return self.phase in ("Succeeded", "Failed", "Gone")

    @property
    def started(self) -> bool:
        return self.phase == "Running" or self.exit_code is not None

    @property
    def hopeless(self) -> bool:
        """It waits for something that does not come by itself."""
        return self.phase == "Pending" and self.reason in _NEVER_STARTS

    @property
    def without_image(self) -> bool:
        """Its image could not be pulled yet."""
        return self.phase == "Pending" and self.reason in _MAY_START


class Cluster:
    """The pods of one namespace."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._api = client.CoreV1Api(_client())

    def demand_access(self) -> None:
        """Check that pods may be listed here.

        Raises:
            PreflightError: they may not, or the namespace is not there.
            TransientError: the cluster does not answer.
        """
        with _own_errors(f"namespace {self._namespace}"):
            self._api.list_namespaced_pod(self._namespace, limit=1, _request_timeout=ANSWER_S)

    def create(self, pod: Mapping[str, Any]) -> None:
        """Make a pod.

        Raises:
            Exists: there is one of this name.
            PreflightError: the cluster refuses it; its own words say why.
        """
        try:
            with _own_errors(f"pod {pod['metadata']['name']}"):
                self._api.create_namespaced_pod(self._namespace, pod, _request_timeout=ANSWER_S)
        except _Missing as error:
            raise PreflightError(name=f"namespace {self._namespace}", rule="exist", value="no such namespace",
                                 action="Apply docker/kubernetes/cluster.yaml.") from error

    def state(self, name: str) -> State:
        """Look at a pod; one that is not there is ``Gone``."""
        try:
            with _own_errors(f"pod {name}"):
                return _state(self._api.read_namespaced_pod(name, self._namespace, _request_timeout=ANSWER_S))
        except _Missing:
            return State("Gone")

    def follow(self, name: str, container: str, since_s: int | None) -> Iterator[tuple[str, str]]:
        """Yield (timestamp, line) of a pod's log until it ends or the connection does.

        Raises:
            TransientError: the log cannot be read at the moment.
        """
        more = {"since_seconds": since_s} if since_s is not None else {}
        try:
            with _own_errors(f"the log of pod {name}"):
                stream = self._api.read_namespaced_pod_log(
                    name, self._namespace, container=container, follow=True, timestamps=True, _preload_content=False,
                    _request_timeout=(ANSWER_S, LOG_SILENCE_S), **more)
        except _Missing:
            return
        with stream, suppress(urllib3.exceptions.HTTPError):  # silent for long, or cut: the caller opens it again
            yield from _lines(stream)

    def remove(self, name: str, grace_s: int) -> None:
        """End and remove a pod, or do nothing where there is none."""
        try:
            with _own_errors(f"pod {name}"):
                self._api.delete_namespaced_pod(name, self._namespace, grace_period_seconds=grace_s,
                                                _request_timeout=ANSWER_S)
        except _Missing:
            return

    def remove_all(self, selector: str, grace_s: int) -> None:
        """End and remove every pod with these labels."""
        with _own_errors(f"pods with {selector}"):
            self._api.delete_collection_namespaced_pod(self._namespace, label_selector=selector,
                                                       grace_period_seconds=grace_s, _request_timeout=ANSWER_S)


class _Missing(Exception):
    """No such pod."""


def _client() -> client.ApiClient:
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config()
        else:
            config.load_kube_config(os.environ.get("KUBECONFIG"))  # the client reads it only when it is imported
    except ConfigException as error:
        raise PreflightError(name="access to a Kubernetes cluster", rule="be configured", value=str(error),
                             action="Set KUBECONFIG, or run inside the cluster with a service account.") from error
    return client.ApiClient()


@contextmanager
def _own_errors(what: str) -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        raise _of_answer(error, what) from error
    except urllib3.exceptions.HTTPError as error:
        raise TransientError(name="the Kubernetes API server", rule=f"answer about {what}",
                             value=" ".join(str(error).split())[:200],
                             action="Try again later; what runs on the cluster goes on.") from error


def _of_answer(error: ApiException, what: str) -> Exception:
    if error.status == 404:
        return _Missing(what)
    if error.status == 409:
        return Exists(what)
    words = " ".join(str(error.body or error.reason).split())[:400]
    if error.status in (0, 429) or error.status >= 500 or "exceeded quota" in words:
        return TransientError(name="the cluster", rule=f"have room and time for {what}", value=words,
                              action="Try again later; what runs on the cluster goes on.")
    refused: EvenvoiceError = PreflightError(
        name=what, rule="be accepted by the cluster", value=f"HTTP {error.status}: {words}",
        action="Compare docker/kubernetes/pods.yaml, quota and the rights of this service account.")
    return refused


def _lines(stream: Any) -> Iterator[tuple[str, str]]:
    rest = b""
    for chunk in stream.stream(amt=None):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from map(_stamped, lines)
    if rest:
        yield _stamped(rest)


def _stamped(line: bytes) -> tuple[str, str]:
    """Timestamps are made to sort as text: some versions leave out zeros at the end."""
    stamp, _, text = line.rstrip(b"\r").decode("utf-8", errors="replace").partition(" ")
    second, _, fraction = stamp.rstrip("Z").partition(".")
    return f"{second}.{fraction:0<9}", text


def _state(pod: Any) -> State:
    status = pod.status
    known = {"uid": pod.metadata.uid, "leaving": pod.metadata.deletion_timestamp is not None}
    [container] = status.container_statuses or [None]
    ended = container.state.terminated if container else None
    waiting = container.state.waiting if container else None
    if ended is not None:
        phase = status.phase if status.phase in ("Succeeded", "Failed") else (
            "Succeeded" if ended.exit_code == 0 else "Failed")
        return State(phase, ended.exit_code, status.reason or ended.reason or "",
                     status.message or ended.message or "", **known)
    if waiting is not None and status.phase == "Pending":
        return State("Pending", None, waiting.reason or "", waiting.message or "", **known)
    unscheduled = next((condition for condition in status.conditions or ()
                        if condition.type == "PodScheduled" and condition.status == "False"), None)
    if status.phase == "Pending" and unscheduled is not None:
        return State("Pending", None, unscheduled.reason or "", unscheduled.message or "", **known)
    return State(status.phase, None, status.reason or "", status.message or "", **known)


def seconds_since(moment: float) -> int:
    """Whole seconds, rounded up, as the API counts them."""
    return int(time.monotonic() - moment) + 1
