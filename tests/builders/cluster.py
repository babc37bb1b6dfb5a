"""A real Kubernetes on this machine, for tests and for trying things out by hand: two nodes in some twelve seconds.

The cluster comes from a folder beside the project (or the one that EVENVOICE_TEST_CLUSTER names) with a script
`cluster.sh up|down|load|lose|node`. It needs root and, of Debian, containerd, runc and the CNI plug-ins; where any of
this is missing the tests are skipped and say why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from evenvoice.errors import PreflightError

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(os.environ.get("CLUSTER_HOME", "/tmp/evenvoice-cluster"))
PACKAGES = {"containerd": "containerd", "runc": "runc", "ip": "iproute2", "openssl": "openssl", "curl": "curl",
            "xz": "xz-utils", "/usr/lib/cni/bridge": "containernetworking-plugins"}
"""What has to be there -> the Debian package that brings it."""
NODES = 2
IMAGES_GB = 12
"""What both nodes keep of the images that the tests load, and the archives on the way."""
FULL = 0.85
"""Share of a disk beyond which a kubelet deletes images that no container uses at the moment; they came from no
registry, so pods wait for good."""
NETWORK = "10.88.0.0/15"
"""Of nodes and pods."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that answers."""

    script: Path
    kubeconfig: Path
    """Of an administrator."""
    host: str = "10.88.0.1"
    """This machine, as pods and nodes reach it."""

    @cached_property
    def api(self) -> Any:
        """The Kubernetes client, as administrator."""
        from kubernetes import config

        return config.new_client_from_config(str(self.kubeconfig))

    @cached_property
    def core(self) -> Any:
        """Pods, nodes, namespaces."""
        from kubernetes import client

        return client.CoreV1Api(self.api)

    def nodes(self) -> dict[str, bool]:
        """Name -> whether it is Ready."""
        return {node.metadata.name: any(condition.type == "Ready" and condition.status == "True"
                                        for condition in node.status.conditions or ())
                for node in self.core.list_node().items}

    def lose(self, number: int) -> None:
        """End a node as when its power fails."""
        run(self.script, "lose", str(number))

    def bring_back(self, number: int) -> None:
        """Start a lost node again and wait for it."""
        run(self.script, "node", str(number))
        wait_until(lambda: self.nodes()[f"node{number}"], "the node to be Ready again")

    def load(self, archive: Path) -> None:
        """Import an image archive on every node."""
        run(self.script, "load", str(archive))

    def sockets(self) -> list[Path]:
        """Of each node's containerd."""
        return sorted(Path("/run/evenvoice-cluster").glob("node*.sock"))


def up(nodes: int = NODES) -> Cluster:
    """The cluster of this machine, started unless it answers.

    Raises:
        PreflightError: it cannot be had here.
    """
    cluster = Cluster(_script(), HOME / "admin.kubeconfig")
    if not _answers(cluster):
        _demand_packages()
        run(cluster.script, "down")
        _demand_disk()
        run(cluster.script, "up", str(nodes))
        wait_until(lambda: _answers(cluster) and list(cluster.nodes().values()) == [True] * nodes,
                   "every node to be Ready")
    _let_through()
    return cluster


def down() -> None:
    """End it and remove everything of it."""
    run(_script(), "down")


def run(*argv: str | Path) -> str:
    """Run a command to its end; its words where it fails."""
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(map(str, argv))} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


def wait_until(happened: Callable[[], Any], what: str, *, seconds: float = 120.0) -> Any:
    """Look again and again; returns what ``happened`` returned at last."""
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.5)
    return found


def import_images(cluster: Cluster, docker: str, *images: str, directory: Path) -> list[str]:
    """Bring images of the engine to every node; returns their names by digest, as pods name them.

    Together they take little longer than one of them, since they share their layers.
    """
    archive = directory / "images.tar"
    run(docker, "save", "--output", archive, *images)
    cluster.load(archive)
    archive.unlink()
    return [_named_by_digest(cluster, image) for image in images]


def _named_by_digest(cluster: Cluster, image: str) -> str:
    repository, _, _ = image.rpartition(":")
    [first, *_] = cluster.sockets()
    known = _containerd(first, "images", "list", f"name==docker.io/{image}").splitlines()[1]
    digest = next(word for word in known.split() if word.startswith("sha256:"))
    for socket in cluster.sockets():
        _containerd(socket, "images", "tag", "--force", f"docker.io/{image}", f"docker.io/{repository}@{digest}")
    return f"{repository}@{digest}"


def _containerd(socket: Path, *arguments: str) -> str:
    return run("ctr", "--address", socket, "--namespace", "k8s.io", *arguments)


@contextmanager
def frozen(*processes: int) -> Iterator[None]:
    """Processes that answer nobody while the block runs."""
    numbers = [str(number) for number in processes]
    run("kill", "-STOP", *numbers)
    try:
        yield
    finally:
        run("kill", "-CONT", *numbers)


def process_of(name: str) -> int:
    """Of the control plane or of a node: apiserver, etcd, kubelet1, containerd2, ..."""
    return int((HOME / "pid" / name).read_text(encoding="utf-8"))


def _script() -> Path:
    folder = Path(os.environ.get("EVENVOICE_TEST_CLUSTER", ROOT.parent / "shared" / "cluster"))
    script = folder / "cluster.sh"
    if not script.is_file():
        raise PreflightError(name="a Kubernetes for tests", rule="be there", value=f"no {script}",
                             action="Set EVENVOICE_TEST_CLUSTER to its folder.")
    if os.geteuid() != 0:
        raise PreflightError(name="a Kubernetes for tests", rule="be started by root", value=f"user {os.geteuid()}",
                             action="Run the tests of the cluster as root.")
    return script


def _demand_packages() -> None:
    missing = [package for tool, package in PACKAGES.items() if not (Path(tool).exists() or shutil.which(tool))]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise PreflightError(name="a Kubernetes for tests", rule="find its programs", value=f"no {missing[0]}",
                             action=f"Install {' '.join(missing)}.")
    run("apt-get", "update", "-qq")
    run("apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing)


def _demand_disk() -> None:
    disk = shutil.disk_usage(HOME.parent)
    free_gb, needed_gb = disk.free / 1e9, (1 - FULL) * disk.total / 1e9 + IMAGES_GB
    if free_gb < needed_gb:
        raise PreflightError(name=f"the disk of {HOME.parent}", rule=f"have {needed_gb:.0f} GB free",
                             value=f"{free_gb:.0f} GB",
                             action=f"Make room (docker builder prune): at {FULL:.0%} a node deletes the images of the "
                                    "tests.")


def _let_through() -> None:
    """A Docker engine on the same machine has the kernel drop what it forwards, and so what nodes say to each other."""
    if shutil.which("iptables") is None:
        return
    rule = ("FORWARD", "--source", NETWORK, "--destination", NETWORK, "--jump", "ACCEPT")
    known = subprocess.run(["iptables", "--check", *rule], capture_output=True, check=False)
    if known.returncode:
        run("iptables", "--insert", *rule)


def _answers(cluster: Cluster) -> bool:
    if not cluster.kubeconfig.is_file():
        return False
    done = subprocess.run(["curl", "--silent", "--max-time", "5", "--insecure", f"https://{cluster.host}:6443/readyz"],
                          capture_output=True, text=True, check=False)
    return done.returncode == 0

