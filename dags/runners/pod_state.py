"""How a pod is, in our words, and what that means for whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from dags.runners.job import RETRY_LATER

MACHINE: Final = "batch.kubernetes.io/job-completion-index"
"""Annotation of a Job's pods: which one of them this is."""
OUT_OF_MINUTES: Final = "DeadlineExceeded"
OUT_OF_MEMORY: Final = "OOMKilled"
_NEVER_STARTS: Final = ("InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError")
_MAY_START: Final = ("ErrImagePull", "ImagePullBackOff")
_TAKEN: Final = ("NodeLost", "NodeShutdown", "Terminated", "Shutdown", "Preempting", "Evicted", "Unknown",
                 "ContainerStatusUnknown")
"""Reasons for which the cluster ends a pod, or finds it ended, whatever is inside."""
_NODE_GONE: Final = "DeletionByTaintManager"
"""Why a pod is asked to end on a node that got a taint, as a silent one does."""
CUT_OFF: Final = "CutOff"
"""Our own word for a machine that lost another one, which the cluster has not noticed yet."""
_ASKED_TO_END: Final = (RETRY_LATER, 137, 143)
_WROTE_TOO_MUCH: Final = ("Usage of EmptyDir volume", "Pod ephemeral local storage usage exceeds",
                          "exceeded its local ephemeral storage limit")
"""The kubelet's words where a pod is evicted for what it wrote itself, rather than for a full disk of its node."""


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
    pod: str = ""
    """Its name."""
    node: str = ""
    """Where it was placed; empty before that."""
    machine: int = 0
    """Which one it is of several that work together."""
    leaving: bool = False
    """Somebody asked for its removal."""
    away: bool = False
    """Its node stopped reporting: what is known of it is old."""
    disruption: str = ""
    """Why the cluster takes it away, where it does: "EvictionByEvictionAPI: Eviction API: evicting", ..."""

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

    @property
    def wrote_too_much(self) -> bool:
        """It was ended for what it wrote itself."""
        return self.reason == "Evicted" and any(words in self.message for words in _WROTE_TOO_MUCH)

    @property
    def taken(self) -> bool:
        """The cluster, or somebody, took it away: the same work goes on elsewhere."""
        if self.phase == "Gone":
            return True
        if self.phase != "Failed" or self.wrote_too_much or self.reason == OUT_OF_MINUTES:
            return False
        return (self.exit_code is None or bool(self.disruption) or self.reason in _TAKEN
                or (self.leaving and self.exit_code in _ASKED_TO_END))

    @property
    def failed_by_itself(self) -> bool:
        """It ended for a reason of its own; not because it, or another one that it worked with, was ended."""
        return self.phase == "Failed" and not self.taken and (
            self.exit_code not in _ASKED_TO_END or self.reason in (OUT_OF_MEMORY, OUT_OF_MINUTES))

    @property
    def said(self) -> str:
        """Reason and message, as far as there are any."""
        return ": ".join(filter(None, (self.reason, self.message)))


def state_of(pod: Any) -> State:
    """Read what the API server says of a pod."""
    status = pod.status
    known = _known(pod)
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
    unscheduled = _condition(pod, "PodScheduled")
    if status.phase == "Pending" and unscheduled is not None and unscheduled.status == "False":
        return State("Pending", None, unscheduled.reason or "", unscheduled.message or "", **known)
    return State(status.phase, None, status.reason or "", status.message or "", **known)


def together(pods: Sequence[State], machines: int, failure: str) -> State:
    """The state of pods that can only work together: that of the one that decides.

    Args:
        failure: why their Job has failed, or nothing while it has not.
    """
    def find(matters: Callable[[State], bool]) -> State | None:
        return next(filter(matters, pods), None)

    first = find(lambda pod: pod.machine == 0)
    if first is not None and first.phase == "Succeeded":  # it alone publishes
        return first
    for decides in (_failed_by_itself, _away, _disrupted, _taken):
        if (found := find(decides)) is not None:
            return found
    if (found := find(_cut_off)) is not None:
        return replace(found, phase="Running", reason=CUT_OFF)  # the one that it lost may still say why
    for decides in (_failed, _leaving):
        if (found := find(decides)) is not None:
            return found
    if failure:
        return State("Gone", message=failure)
    if len(pods) < machines:
        return State("Pending", message=f"{len(pods)} of {machines} pods were made, a quota may forbid more")
    return find(lambda pod: pod.phase == "Pending" and bool(pod.reason)) or find(
        lambda pod: pod.phase == "Pending") or first or pods[0]


def _failed_by_itself(pod: State) -> bool:
    return pod.failed_by_itself


def _away(pod: State) -> bool:
    return pod.away


def _disrupted(pod: State) -> bool:
    return bool(pod.disruption)


def _taken(pod: State) -> bool:
    return pod.taken


def _cut_off(pod: State) -> bool:
    return pod.phase == "Failed" and pod.exit_code == RETRY_LATER


def _failed(pod: State) -> bool:
    return pod.phase == "Failed"


def _leaving(pod: State) -> bool:
    return pod.leaving


def _known(pod: Any) -> dict[str, Any]:
    """What does not depend on how its container is."""
    target = _condition(pod, "DisruptionTarget")
    disruption = f"{target.reason}: {target.message}" if target is not None and target.status == "True" else ""
    return {"uid": pod.metadata.uid, "pod": pod.metadata.name, "node": pod.spec.node_name or "",
            "machine": int((pod.metadata.annotations or {}).get(MACHINE, 0)),
            "leaving": pod.metadata.deletion_timestamp is not None, "disruption": disruption,
            "away": _is_away(pod, disruption)}


def _is_away(pod: Any, disruption: str) -> bool:
    """The kubelet says that a container is ready, and the pod is not: only the cluster says so, of a silent node.

    Stages have no readiness probe. A taint that ends pods is put on a silent node too.
    """
    if pod.metadata.deletion_timestamp is not None and disruption.startswith(_NODE_GONE):
        return True
    ready = _condition(pod, "Ready")
    running = any(container.ready and container.state.running for container in pod.status.container_statuses or ())
    return bool(pod.status.reason == "NodeLost" or (running and ready is not None and ready.status != "True"))


def _condition(pod: Any, kind: str) -> Any:
    return next((condition for condition in pod.status.conditions or () if condition.type == kind), None)
