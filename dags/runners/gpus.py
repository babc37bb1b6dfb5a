"""GPUs of this machine: how many there are, which are free, and in which pool of Airflow stages wait for them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from evenvoice.errors import ParamsError
from evenvoice.params import Resources, Size

SETTING: Final = "EVENVOICE_GPUS"
_DEVICE: Final = re.compile(r"nvidia\d+")


def gpus_here(devices: Path = Path("/dev")) -> int:
    """How many there are; a control plane in a container sees none of them and is told by ``EVENVOICE_GPUS``.

    Raises:
        ParamsError: the setting is not a number.
    """
    told = os.environ.get(SETTING, "")
    if told and not told.isdecimal():
        raise ParamsError(name=SETTING, rule="be a number of GPUs", value=told, action="For example: EVENVOICE_GPUS=4.")
    return int(told) if told else sum(1 for path in devices.iterdir() if _DEVICE.fullmatch(path.name))


def pool_of(resources: Resources, size: Size) -> dict[str, str | int]:
    """The pool of Airflow that a stage of ``size`` waits in, as options of its task; none without a GPU.

    Without a pool Airflow would start as many stages as it has slots, however few GPUs there are.
    """
    return {"pool": pool_name(resources), "pool_slots": size.gpus} if size.gpus else {}


def pool_name(resources: Resources) -> str:
    """``gpu-h200``, or ``gpu-any`` where the kind is left open."""
    return f"gpu-{resources.gpu_kind or 'any'}"


def pools_needed(resources: Resources) -> dict[str, int]:
    """Slots by the name of each pool that some stage waits in: a slot is a GPU of this machine.

    Raises:
        ParamsError: a size wants more GPUs than there are; its stages would wait for ever.
    """
    sizes = {name: resources.size(name) for name in ("light", "data", "training")}
    for name, size in sizes.items():
        if size.gpus > gpus_here():
            raise ParamsError(name=f"resources.{name}.gpus", rule=f"be at most {gpus_here()}, the GPUs of this machine",
                              value=size.gpus, action=f"Lower it, or say in {SETTING} how many there are.")
    return {pool_name(resources): gpus_here()} if any(size.gpus for size in sizes.values()) else {}
