"""What is made on the cluster for one job: a pod, or a Job whose pods work together on several nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dags.runners.cluster import Cluster
from dags.runners.pod_state import State, together

_OF_JOB: Final = "batch.kubernetes.io/controller-uid"


class OnePod:
    """A pod by itself."""

    def __init__(self, cluster: Cluster, described: Mapping[str, Any]) -> None:
        self.cluster = cluster
        self.name = str(described["metadata"]["name"])
        self._described = described

    def __str__(self) -> str:
        return f"pod {self.name}"

    @property
    def speaker(self) -> str:
        """The pod whose log is that of the stage."""
        return self.name

    def create(self) -> None:
        """Make it.

        Raises:
            As :meth:`Cluster.create` does.
        """
        self.cluster.create(self._described)

    def look(self) -> State:
        """How it is."""
        return self.cluster.state(self.name)

    def is_gone(self) -> bool:
        """Whether nothing is left of it."""
        return self.look().phase == "Gone"

    def remove(self, grace_s: int) -> None:
        """End and remove it; where its node is away, without waiting for that."""
        self.cluster.remove(self.name, 0 if self.look().away else grace_s)


class Machines:
    """An indexed Job: it is lost as a whole when one of its pods is."""

    def __init__(self, cluster: Cluster, described: Mapping[str, Any]) -> None:
        self.cluster = cluster
        self.name = str(described["metadata"]["name"])
        self.speaker = ""
        """The first machine's pod, whose log is that of the stage; nothing before it was made."""
        self._described = described
        self._number = int(described["spec"]["completions"])
        self._own = ",".join(f"{name}={value}" for name, value in described["metadata"]["labels"].items())

    def __str__(self) -> str:
        return f"Job {self.name}"

    def create(self) -> None:
        """Make it, if its pods would be let in: a Job is, and then waits without a word.

        Raises:
            As :meth:`Cluster.create` does.
        """
        template = self._described["spec"]["template"]
        named = {"name": f"{self.name}-0", "namespace": self._described["metadata"]["namespace"]}
        self.cluster.create({"apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
                             "metadata": {**template["metadata"], **named}}, only_try=True)
        self.cluster.create(self._described)

    def look(self) -> State:
        """How its pods are, as one."""
        batch = self.cluster.job(self.name)
        if batch is None:
            return State("Gone", pod=self.name)
        pods = self.cluster.states(f"{_OF_JOB}={batch.uid}")
        first = next((pod for pod in pods if pod.machine == 0), None)
        self.speaker = first.pod if first is not None and first.started else ""
        return together(pods, self._number, batch.failure)

    def is_gone(self) -> bool:
        """Whether nothing is left of it, nor of its pods."""
        return self.cluster.job(self.name) is None and not self.cluster.states(self._own)

    def remove(self, grace_s: int) -> None:
        """End and remove all; a pod whose node is away is not waited for."""
        self.cluster.remove_all(self._own, grace_s)


Work = OnePod | Machines


def work_of(cluster: Cluster, described: Mapping[str, Any]) -> Work:
    """What ``described`` becomes on the cluster."""
    return (Machines if described["kind"] == "Job" else OnePod)(cluster, described)
