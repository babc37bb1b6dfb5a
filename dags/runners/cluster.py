"""The door to Kubernetes: the only module that imports its client, with what it answers in our words."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.utils import parse_quantity

from dags.runners.pod_state import State, state_of
from evenvoice.errors import EvenvoiceError, PreflightError, TransientError

ANSWER_S: Final = 30
LOG_SILENCE_S: Final = 60
"""A stream of logs that says nothing for so long is opened again: load balancers drop idle connections unseen."""
_QUOTA: Final = re.compile(r"exceeded quota: (?P<quota>[^,]+), requested: (?P<requested>.*), used: (?P<used>.*), "
                           r"limited: (?P<limited>\S*)")
_FORBIDDEN: Final = 403


class Exists(Exception):
    """There is something of this name."""


class QuotaUsedUp(Exception):
    """The namespace may not have more at the moment; says what there is too much of."""


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, and what pods may have of it."""

    name: str
    labels: Mapping[str, str]
    cpus: float
    memory_gb: float
    others: Mapping[str, str]
    """Further resources, such as GPUs, by name."""
    taints: tuple[tuple[str, str, str], ...]
    """(key, value, effect) of those that keep pods away."""


@dataclass(frozen=True)
class Owned:
    """A pod or a Job, and the run it was made for."""

    name: str
    run_id: str


@dataclass(frozen=True)
class Batch:
    """A Job, without its pods."""

    uid: str
    leaving: bool
    failure: str
    """Why it has failed, or nothing while it has not."""


class Cluster:
    """The pods and Jobs of one namespace.

    Args:
        context: the kubeconfig's context has to be this one; empty takes whichever it is.
    """

    def __init__(self, namespace: str, context: str = "") -> None:
        self._namespace = namespace
        api = _client(context)
        self._api = client.CoreV1Api(api)
        self._batch = client.BatchV1Api(api)

    def demand_access(self) -> datetime:
        """Check that pods may be listed here; returns the API server's time.

        Raises:
            PreflightError: they may not, or the namespace is not there.
            TransientError: the cluster does not answer.
        """
        with _own_errors(f"namespace {self._namespace}"):
            _, _, headers = self._api.list_namespaced_pod_with_http_info(self._namespace, limit=1,
                                                                         _request_timeout=ANSWER_S)
        return parsedate_to_datetime(headers["Date"])

    def has_secret(self, name: str) -> bool:
        """Whether there is a secret of this name; also where this may not be asked."""
        try:
            with _own_errors(f"secret {name}"):
                self._api.read_namespaced_secret(name, self._namespace, _request_timeout=ANSWER_S)
        except _Missing:
            return False
        except PreflightError as error:
            if not _is_forbidden(error):
                raise
        return True

    def nodes(self) -> list[Node] | None:
        """All machines of the cluster; None where this may not be asked."""
        try:
            with _own_errors("the nodes"):
                found = self._api.list_node(_request_timeout=ANSWER_S)
        except PreflightError as error:
            if not _is_forbidden(error):
                raise
            return None
        return [_node(item) for item in found.items]

    def create(self, described: Mapping[str, Any], *, only_try: bool = False) -> None:
        """Make a pod or a Job, or only ask whether the cluster would.

        Raises:
            Exists: there is one of this name.
            QuotaUsedUp: there would be too many at the moment.
            PreflightError: the cluster refuses it; its own words say why.
        """
        make = (self._batch.create_namespaced_job if described["kind"] == "Job"
                else self._api.create_namespaced_pod)
        wish = {"dry_run": "All"} if only_try else {}
        try:
            with _own_errors(_called(described)):
                make(self._namespace, described, _request_timeout=ANSWER_S, **wish)
        except _Missing as error:
            raise PreflightError(name=f"namespace {self._namespace}", rule="exist", value="no such namespace",
                                 action="Apply docker/kubernetes/cluster.yaml.") from error

    def state(self, name: str) -> State:
        """Look at a pod; one that is not there is ``Gone``."""
        try:
            with _own_errors(f"pod {name}"):
                return state_of(self._api.read_namespaced_pod(name, self._namespace, _request_timeout=ANSWER_S))
        except _Missing:
            return State("Gone", pod=name)

    def states(self, selector: str) -> list[State]:
        """Look at all pods with these labels."""
        with _own_errors(f"pods with {selector}"):
            found = self._api.list_namespaced_pod(self._namespace, label_selector=selector, _request_timeout=ANSWER_S)
        return [state_of(pod) for pod in found.items]

    def job(self, name: str) -> Batch | None:
        """Look at a Job."""
        try:
            with _own_errors(f"Job {name}"):
                found = self._batch.read_namespaced_job(name, self._namespace, _request_timeout=ANSWER_S)
        except _Missing:
            return None
        failures = [condition for condition in found.status.conditions or ()
                    if condition.type == "Failed" and condition.status == "True"]
        return Batch(found.metadata.uid, found.metadata.deletion_timestamp is not None,
                     f"{failures[0].reason}: {failures[0].message}" if failures else "")

    def owned(self, selector: str) -> tuple[list[Owned], list[Owned]]:
        """The Jobs with these labels, and the pods."""
        with _own_errors(f"what has {selector}"):
            jobs = self._batch.list_namespaced_job(self._namespace, label_selector=selector, _request_timeout=ANSWER_S)
            pods = self._api.list_namespaced_pod(self._namespace, label_selector=selector, _request_timeout=ANSWER_S)
        return [_owned(job) for job in jobs.items], [_owned(pod) for pod in pods.items]

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

    def last_words(self, name: str, container: str, lines: int) -> list[str]:
        """The end of a pod's log, or nothing where it cannot be read."""
        with suppress(_Missing, EvenvoiceError), _own_errors(f"the log of pod {name}"):
            said = self._api.read_namespaced_pod_log(name, self._namespace, container=container, tail_lines=lines,
                                                     _preload_content=False, _request_timeout=ANSWER_S)
            return str(said.data.decode("utf-8", errors="replace")).splitlines()
        return []

    def remove(self, name: str, grace_s: int) -> None:
        """End and remove a pod, or do nothing where there is none; without grace it is forgotten at once."""
        with suppress(_Missing), _own_errors(f"pod {name}"):
            self._api.delete_namespaced_pod(name, self._namespace, grace_period_seconds=grace_s,
                                            _request_timeout=ANSWER_S)

    def remove_job(self, name: str) -> None:
        """Remove a Job, or do nothing where there is none; its pods stay for whoever removes them."""
        with suppress(_Missing), _own_errors(f"Job {name}"):
            self._batch.delete_namespaced_job(name, self._namespace, propagation_policy="Background",
                                              _request_timeout=ANSWER_S)

    def remove_all(self, selector: str, grace_s: int) -> None:
        """End and remove every Job and pod with these labels; a pod whose node is away is not waited for."""
        jobs, _ = self.owned(selector)
        for job in jobs:
            self.remove_job(job.name)
        for state in self.states(selector):
            self.remove(state.pod, 0 if state.away else grace_s)


class _Missing(Exception):
    """No such thing."""


def _client(context: str) -> client.ApiClient:
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config()
        else:
            file = os.environ.get("KUBECONFIG")  # the client reads it only when it is imported
            _demand_context(context, file)
            config.load_kube_config(file)
    except ConfigException as error:
        raise PreflightError(name="access to a Kubernetes cluster", rule="be configured", value=str(error),
                             action="Set KUBECONFIG, or run inside the cluster with a service account.") from error
    return client.ApiClient()


def _demand_context(wanted: str, file: str | None) -> None:
    if wanted:
        _, current = config.list_kube_config_contexts(file)
        if current["name"] != wanted:
            raise PreflightError(name="the context of the kubeconfig", rule=f"be {wanted}, as pods.yaml says",
                                 value=current["name"], action=f"kubectl config use-context {wanted}, set KUBECONFIG, "
                                                               "or change context in docker/kubernetes/pods.yaml.")


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
    words = _words(error)
    if quota := _QUOTA.search(words):
        return _of_quota(quota, what)
    if error.status == 409:
        return Exists(what)
    if error.status in (0, 429) or error.status >= 500:
        return TransientError(name="the cluster", rule=f"have time for {what}", value=words,
                              action="Try again later; what runs on the cluster goes on.")
    refused: EvenvoiceError = PreflightError(
        name=what, rule="be accepted by the cluster", value=f"HTTP {error.status}: {words}",
        action="Compare docker/kubernetes/pods.yaml, cluster.yaml and the rights of this service account.")
    return refused


def _words(error: ApiException) -> str:
    """The server's own sentence, where it gave one."""
    try:
        text = json.loads(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        text = error.body or error.reason
    return " ".join(str(text).split())[:600]


def _is_forbidden(error: PreflightError) -> bool:
    return isinstance(error.__cause__, ApiException) and error.__cause__.status == _FORBIDDEN


def _of_quota(found: re.Match[str], what: str) -> Exception:
    """What alone is more than the quota allows never fits; anything else does when something ends."""
    requested, limited = (_amounts(found[name]) for name in ("requested", "limited"))
    for name, amount in requested.items():
        if name in limited and parse_quantity(amount) > parse_quantity(limited[name]):
            return PreflightError(name=f"{name} of {what}", rule=f"be at most {limited[name]}, all that the quota "
                                  f"{found['quota']} allows", value=amount,
                                  action="Lower it in params.yaml, section resources, or raise the quota.")
    return QuotaUsedUp(f"quota {found['quota']} is used up: {found['used']} of {found['limited']}")


def _amounts(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _called(described: Mapping[str, Any]) -> str:
    kind = "Job" if described["kind"] == "Job" else "pod"
    return f"{kind} {described['metadata']['name']}"


def _owned(item: Any) -> Owned:
    return Owned(item.metadata.name, (item.metadata.annotations or {}).get("evenvoice.io/run", ""))


def _node(item: Any) -> Node:
    allocatable = dict(item.status.allocatable or {})
    cpus, memory = float(parse_quantity(allocatable.pop("cpu", 0))), parse_quantity(allocatable.pop("memory", 0))
    taints = tuple((taint.key, taint.value or "", taint.effect) for taint in item.spec.taints or ()
                   if taint.effect != "PreferNoSchedule")
    return Node(item.metadata.name, dict(item.metadata.labels or {}), cpus, float(memory) / 1e9, allocatable, taints)


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


def seconds_since(moment: float) -> int:
    """Whole seconds, rounded up, as the API counts them."""
    return int(time.monotonic() - moment) + 1
