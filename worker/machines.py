"""Machines that train together, and how they find each other: through the object store, which all of them reach.

    <root>/runs/<run>/rendezvous/<stage>/<attempt>   the address of the first machine in one attempt

So neither a name service nor a headless Service is needed. The first machine has the first process, which alone writes;
torchrun's ranks are given rather than found, since it would sort the machines by address.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from evenvoice.errors import ParamsError, TransientError
from evenvoice.object_store import ObjectStore

ADDRESS: Final = "EVENVOICE_ADDRESS"
"""Under which the other machines reach this one."""
ATTEMPT: Final = "EVENVOICE_ATTEMPT"
"""The same on all machines that were started together, and never again."""
PORT: Final = 29400
MEET_S: Final = 3600
"""For the last machine to be there, with all of its inputs."""
POLL_S: Final = 2.0


@dataclass(frozen=True)
class Machine:
    """One of several; counted from 0."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Machine:
        """``1/2`` is the second of two.

        Raises:
            ParamsError: it is nothing of that kind.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if not found or int(found[1]) >= int(found[2]):
            raise ParamsError(name="--machine", rule="be the number of a machine and how many there are, such as 0/2",
                              value=text, action="Count machines from 0.")
        return cls(int(found[1]), int(found[2]))

    @property
    def is_first(self) -> bool:
        """Whether this machine runs the stage, and the others only take part."""
        return self.number == 0


def meet(store: ObjectStore, stage: str, machine: Machine,
         environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Find the first machine, or be found; returns the variables by which torchrun joins the machines.

    Args:
        store: of one run.
        environment: has ADDRESS and ATTEMPT, and PET_NPROC_PER_NODE for torchrun.

    Raises:
        TransientError: the first machine does not say where it is.
    """
    address, key = environment[ADDRESS], f"rendezvous/{stage}/{environment[ATTEMPT]}"
    if machine.is_first:
        store.write(key, address.encode())
        first = address
    else:
        first = _wait_for(store, key)
    return torchrun_variables(machine, first=first, own=address, port=_network_of(address))


def torchrun_variables(machine: Machine, *, first: str, own: str, port: str) -> dict[str, str]:
    """What torchrun has to be told beside PET_NPROC_PER_NODE.

    Args:
        first: address of the first machine.
        own: address of this one.
        port: name of the network port that has it.
    """
    return {"PET_NNODES": str(machine.of), "PET_NODE_RANK": str(machine.number), "PET_RDZV_BACKEND": "static",
            "PET_MASTER_ADDR": first, "PET_MASTER_PORT": str(PORT), "PET_RDZV_CONF": f"timeout={MEET_S}",
            "PET_LOCAL_ADDR": own, "GLOO_SOCKET_IFNAME": port, "NCCL_SOCKET_IFNAME": port}


def _wait_for(store: ObjectStore, key: str) -> str:
    deadline = time.monotonic() + MEET_S
    while not store.exists(key):
        if time.monotonic() > deadline:
            raise TransientError(name=store.url(key), rule="name the first machine", value="no such object",
                                 action="Read the log of the first machine; the stage is tried again.")
        time.sleep(POLL_S)
    return store.read(key).decode()


def _network_of(address: str) -> str:
    """The network port that has ``address``: a machine may have several, and only one leads to the others."""
    import psutil  # type: ignore[import-untyped]  # every worker imports this module, few need its ports

    ports: dict[str, list[Any]] = psutil.net_if_addrs()
    return next(name for name, found in ports.items() if any(entry.address == address for entry in found))
