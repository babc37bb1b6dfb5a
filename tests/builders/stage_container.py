"""The body by which a stage's container is asked for, as a Docker client writes it."""

from __future__ import annotations

import copy
from typing import Any

from engine_proxy.policy import Policy

STATE = "/srv/evenvoice/.evenvoice"
POLICY = Policy(owner=STATE, images=("evenvoice/stage",), state=STATE, corpora=("/srv/speech",),
                networks=("none", "evenvoice-stages"))
_BODY: dict[str, Any] = {
    "Image": "evenvoice/stage:local", "Cmd": ["python", "-m", "worker", "train", "--minutes", "60"],
    "User": "10001:10001", "Env": ["HOME=/tmp"], "WorkingDir": f"{STATE}/runs/monday/workspace",
    "Labels": {"evenvoice.state": STATE, "evenvoice.run": "monday"}, "Tty": False, "AttachStdin": False,
    "Hostname": None, "Volumes": {},
    "HostConfig": {
        "NetworkMode": "evenvoice-stages", "Binds": [f"{STATE}:{STATE}:rw", "/srv/speech:/srv/speech:ro"],
        "Tmpfs": {"/tmp": "rw,nosuid,nodev,size=1g,mode=1777"}, "ReadonlyRootfs": True, "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"], "Init": True, "Memory": 4 * 2**30, "PidsLimit": 512,
        "Privileged": False, "RestartPolicy": {"Name": "no"}, "PortBindings": {},
    }}


def creation(host: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    """An acceptable body with some fields replaced; None stands for null."""
    body = copy.deepcopy(_BODY)
    body.update(container)
    body["HostConfig"].update(host or {})
    return body
