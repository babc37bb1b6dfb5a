"""What is asked of a cluster and a store before a run begins, so that no stage has to find it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dags.runners.capacity import demand_capacity
from dags.runners.cluster import Cluster, Exists, QuotaUsedUp
from dags.runners.pod_settings import PodSettings
from evenvoice.errors import EvenvoiceError, PreflightError
from evenvoice.object_store import ObjectStore, is_object_url
from evenvoice.params import Resources
from evenvoice.progress import Progress

CLOCKS_APART: Final = timedelta(minutes=5)
"""Signatures, tokens and certificates stop working beyond that."""
PROBE: Final = "writable"


def demand_in_store(name: str, path: str) -> None:
    """Check that pods can read what a parameter names.

    Raises:
        PreflightError: it is a path of this machine.
    """
    if path and path != "synthetic" and not is_object_url(path):
        raise PreflightError(name=name, rule="lie in an object store when stages are pods", value=path,
                             action="Upload it and name it as s3://bucket/path.")


def demand_cluster(cluster: Cluster, settings: PodSettings, resources: Resources, samples: Sequence[Mapping[str, Any]],
                   progress: Progress) -> None:
    """Check that the cluster would take the pods and Jobs ``samples``, and has nodes for them.

    Raises:
        PreflightError: it would not; its own words say why.
        ParamsError: a size asks for more than any node has, or than the quota allows.
        TransientError: it does not answer.
    """
    demand_clock("the Kubernetes API server", cluster.demand_access())
    if not cluster.has_secret(settings.secret):
        raise PreflightError(name=f"secret {settings.secret} in namespace {settings.namespace}", rule="exist",
                             value="no such secret", action="See docker/kubernetes/secrets.yaml.template.")
    nodes = cluster.nodes()
    if nodes is None:
        progress.note("whether a node fits what resources ask for was not checked: the nodes may not be listed "
                      "(the ClusterRole of docker/kubernetes/cluster.yaml allows it)")
    else:
        _demand_nodes(nodes, settings, resources, progress)
    for sample in samples:
        _demand_accepted(cluster, sample, progress)


def demand_store(store: ObjectStore) -> None:
    """Check that the store can be written, reads back what was written, and has our time.

    Raises:
        PreflightError: it may not be written, or its clock and ours are apart.
        ArtifactError: it has something else than was written.
        TransientError: it does not answer.
    """
    content = datetime.now(UTC).isoformat().encode()
    store.write(PROBE, content)
    if store.read(PROBE) != content:
        raise PreflightError(name=store.url(PROBE), rule="read as it was written", value="something else",
                             action="Does anybody else write there? Choose another EVENVOICE_EXCHANGE.")
    for entry in store.list(PROBE):  # a listing may be a moment behind
        demand_clock(f"the store of {store.root}", entry.modified)


def demand_clock(whose: str, there: datetime) -> None:
    """Check that another machine's clock shows about our time.

    Raises:
        PreflightError: it does not.
    """
    here = datetime.now(UTC)
    if abs(there - here) > CLOCKS_APART:
        raise PreflightError(name="the clock of this machine", rule=f"agree with that of {whose} within "
                             f"{CLOCKS_APART.seconds // 60} minutes",
                             value=f"{here:%Y-%m-%d %H:%M:%S} here and {there.astimezone(UTC):%Y-%m-%d %H:%M:%S} there",
                             action="Set the one that is wrong; both in UTC.")


def _demand_nodes(nodes: Any, settings: PodSettings, resources: Resources, progress: Progress) -> None:
    try:
        demand_capacity(nodes, resources, settings)
    except EvenvoiceError as error:
        if not settings.autoscaled:
            raise
        progress.note(f"no node fits now, one has to be added (autoscaled in pods.yaml): {error}")


def _demand_accepted(cluster: Cluster, sample: Mapping[str, Any], progress: Progress) -> None:
    try:
        cluster.create(sample, only_try=True)
    except Exists:
        return  # this run began before
    except QuotaUsedUp as used:
        progress.note(f"stages will wait: {used}")
