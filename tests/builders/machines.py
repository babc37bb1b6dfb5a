"""Two machines for one test: network namespaces that see each other over a pair of virtual Ethernet ports only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Machine:
    """A network namespace of this test's own."""

    name: str
    address: str
    port: str
    """Its network interface."""

    def inside(self, *command: str) -> list[str]:
        """The command line that runs ``command`` there."""
        return ["ip", "netns", "exec", self.name, *command]


@contextmanager
def two_machines() -> Iterator[tuple[Machine, Machine]]:
    """Make them, and remove them afterwards; skips the test where that is not possible."""
    _demand_iproute()
    first, second = (Machine(f"evenvoice-{os.getpid()}-{number}", f"10.213.7.{number}", f"ev{os.getpid()}n{number}")
                     for number in (1, 2))
    try:
        for machine in (first, second):
            _ip("netns", "add", machine.name)
        _ip("link", "add", first.port, "netns", first.name, "type", "veth", "peer", "name", second.port,
            "netns", second.name)
        for machine in (first, second):
            _ip("-n", machine.name, "address", "add", f"{machine.address}/24", "dev", machine.port)
            for port in (machine.port, "lo"):
                _ip("-n", machine.name, "link", "set", port, "up")
        yield first, second
    finally:
        for machine in (first, second):
            subprocess.run(["ip", "netns", "delete", machine.name], check=False, capture_output=True)


def _demand_iproute() -> None:
    if os.geteuid() != 0:
        pytest.skip("network namespaces take root")
    if shutil.which("ip") is None:
        subprocess.run(["apt-get", "update"], check=False, capture_output=True)
        subprocess.run(["apt-get", "install", "--yes", "iproute2"], check=False, capture_output=True)
    if shutil.which("ip") is None:
        pytest.skip("there is no `ip`, and apt-get cannot install iproute2")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"`ip {' '.join(arguments)}` is not allowed here: {done.stderr.strip()}")
