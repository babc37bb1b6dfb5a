"""The body of `create`: every field is understood, checked and written anew, or the whole request is refused.

The engine reads field names regardless of case and takes the last of two; so nothing is passed on that was not named
here letter by letter. A field that says nothing (null, false, 0, empty) is left out, so that the engine's default
holds: an empty MaskedPaths, for one, would otherwise uncover what a container must not see.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any, Final

from engine_proxy.policy import OWNER_LABEL, Policy, Refused, is_plain_path

Check = Callable[[Policy, Any], bool]

_USER: Final = re.compile(r"[1-9][0-9]{0,8}:[1-9][0-9]{0,8}")
_LABEL: Final = re.compile(r"(io\.)?evenvoice\.[a-z0-9._-]{1,60}")
_TMPFS: Final = re.compile(r"(rw|exec|noexec|nosuid|nodev|size=[0-9]+[kmgKMG]?|mode=[0-7]{3,4}|[ug]id=[1-9][0-9]*)")
_DEVICE: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
TEXT_LIMIT: Final = 32768


def rebuild(policy: Policy, body: bytes) -> tuple[bytes, str]:
    """Check a body and return the one to send, and the name of its image.

    Raises:
        Refused: with the rule that it breaks.
    """
    content = _fields(policy, "", _parse(body), CONTAINER)
    host = _fields(policy, "HostConfig.", content.get("HostConfig", {}), HOST)
    _demand_limits(content, host)
    _demand_owner(policy, content.get("Labels", {}))
    content["HostConfig"] = host
    return json.dumps(content).encode(), content["Image"]


def _parse(body: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Refused("each field is given once", [name for name, _ in pairs])
        return found

    try:
        content = json.loads(body, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise Refused("the body of create is JSON", body[:80]) from None
    if not isinstance(content, dict):
        raise Refused("the body of create is one object", content)
    return content


def _fields(policy: Policy, where: str, content: Any, checks: dict[str, tuple[str, Check]]) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise Refused(f"{where.rstrip('.')} is an object", content)
    said = {name: value for name, value in content.items() if not _says_nothing(value)}
    for name, value in said.items():
        if name not in checks:
            raise Refused(f"{where}{name} is not set", value)
        rule, check = checks[name]
        if not check(policy, value):
            raise Refused(f"{where}{name} {rule}", value)
    cleaned = {name: _said(value) if name in STRUCTURES else value for name, value in said.items()}
    return {name: value for name, value in cleaned.items() if not _says_nothing(value)}


def _said(value: Any) -> Any:
    """Without what says nothing: {"ReadOnly": true, "readonly": false} must not reach the engine as it is."""
    if isinstance(value, dict):
        cleaned = {name: _said(item) for name, item in value.items()}
        return {name: item for name, item in cleaned.items() if not _says_nothing(item)}
    return [_said(item) for item in value] if isinstance(value, list) else value


def _says_nothing(value: Any) -> bool:
    """Zero too: what has to be given is demanded afterwards."""
    return value is None or value is False or (not isinstance(value, bool) and value in (0, "", [], {}))


def _demand_limits(content: dict[str, Any], host: dict[str, Any]) -> None:
    for fields, where, names in ((content, "", ("Image", "User", "Labels")),
                                 (host, "HostConfig.", ("Memory", "PidsLimit", "ReadonlyRootfs", "CapDrop",
                                                        "SecurityOpt", "NetworkMode"))):
        for name in names:
            if name not in fields:
                raise Refused(f"{where}{name} is given", None)


def _demand_owner(policy: Policy, labels: dict[str, str]) -> None:
    if labels.get(OWNER_LABEL) != policy.owner:
        raise Refused(f"the label {OWNER_LABEL} is {policy.owner!r}", labels.get(OWNER_LABEL))


# what a value may be


def _text(_policy: Policy, value: Any) -> bool:
    return isinstance(value, str) and len(value) <= TEXT_LIMIT and "\0" not in value


def _texts(policy: Policy, value: Any) -> bool:
    return isinstance(value, list) and all(_text(policy, item) for item in value)


def _command(policy: Policy, value: Any) -> bool:
    return _text(policy, value) or _texts(policy, value)


def _true(_policy: Policy, value: Any) -> bool:
    return value is True


def _number(_policy: Policy, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53


def _memory(policy: Policy, value: Any) -> bool:
    return _number(policy, value) and value <= policy.memory_limit


def _pids(policy: Policy, value: Any) -> bool:
    return _number(policy, value) and value <= policy.pids_limit


def _one_of(*values: Any) -> Check:
    return lambda _policy, value: type(value) in (str, list) and value in values


def _image(_policy: Policy, value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _user(_policy: Policy, value: Any) -> bool:
    return isinstance(value, str) and _USER.fullmatch(value) is not None


def _labels(policy: Policy, value: Any) -> bool:
    return isinstance(value, dict) and all(_LABEL.fullmatch(name) and _text(policy, item)
                                           for name, item in value.items())


def _network(policy: Policy, value: Any) -> bool:
    return isinstance(value, str) and value in policy.networks


def _networking(policy: Policy, value: Any) -> bool:
    if not isinstance(value, dict) or ("EndpointsConfig" in value and len(value) > 1):
        return False
    endpoints = value.get("EndpointsConfig", value)  # docker-py leaves this level out; NetworkMode says the same
    return isinstance(endpoints, dict) and all(
        name in policy.networks and _says_nothing(settings) for name, settings in endpoints.items())


def _binds(policy: Policy, value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(bind, str) and _bind(policy, bind) for bind in value)


def _bind(policy: Policy, bind: str) -> bool:
    source, _, rest = bind.partition(":")
    target, _, mode = rest.partition(":")
    return mode in ("", "rw", "ro") and _folder(policy, source, target, read_only=mode == "ro")


def _mounts(policy: Policy, value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(mount, dict) and _mount(policy, mount) for mount in value)


def _mount(policy: Policy, mount: dict[str, Any]) -> bool:
    said = _said(mount)
    if not set(said) <= {"Type", "Source", "Target", "ReadOnly"} or said.get("Type") != "bind":
        return False
    return _folder(policy, said.get("Source"), said.get("Target"), read_only=said.get("ReadOnly") is True)


def _folder(policy: Policy, source: Any, target: Any, *, read_only: bool) -> bool:
    """The state folder as a whole, or a folder of a corpus; at its own path, where the engine sees the same folder.

    The engine follows links when it mounts. Clients can write inside the state folder and could plant a link there
    after any check, so no part of it may be mounted alone. Corpora they can only read, so a look at the links holds.
    """
    if not is_plain_path(source) or source != target:
        return False
    if source == policy.state:
        return True
    inside = any(source == root or source.startswith(f"{root}/") for root in policy.corpora)
    return inside and read_only and os.path.realpath(source) == source


def _tmpfs(_policy: Policy, value: Any) -> bool:
    return isinstance(value, dict) and all(
        is_plain_path(path) and isinstance(options, str) and all(map(_TMPFS.fullmatch, options.split(",")))
        and "size=" in options for path, options in value.items())


def _gpus(_policy: Policy, value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(request, dict) and _gpu(request) for request in value)


def _gpu(request: dict[str, Any]) -> bool:
    said = _said(request)
    count, devices = said.get("Count", 1), said.get("DeviceIDs", [])
    return (set(said) <= {"Driver", "Count", "DeviceIDs", "Capabilities"} and said.get("Driver", "nvidia") == "nvidia"
            and said.get("Capabilities") == [["gpu"]] and type(count) is int and -1 <= count <= 64
            and isinstance(devices, list)
            and all(isinstance(device, str) and _DEVICE.fullmatch(device) for device in devices))


def _log(policy: Policy, value: Any) -> bool:
    said = _said(value)
    if not isinstance(said, dict) or not set(said) <= {"Type", "Config"}:
        return False
    options = said.get("Config", {})
    return said.get("Type", "local") in ("json-file", "local") and isinstance(options, dict) and all(
        name in ("max-size", "max-file", "compress") and _text(policy, option) for name, option in options.items())


def _no_restart(_policy: Policy, value: Any) -> bool:
    return isinstance(value, dict) and _said(value) in ({}, {"Name": "no"})




STRUCTURES: Final = frozenset({"NetworkingConfig", "Mounts", "DeviceRequests", "LogConfig", "RestartPolicy"})
"""Fields whose inner names the engine reads regardless of case too; the inner names of others are a client's own."""
CONTAINER: Final[dict[str, tuple[str, Check]]] = {
    "Image": ("is text", _image),
    "Cmd": ("is a command", _command),
    "Entrypoint": ("is a command", _command),
    "WorkingDir": ("is a plain path", lambda _policy, value: is_plain_path(value)),
    "Env": ("is a list of texts", _texts),
    "User": ("is uid:gid, neither of them 0", _user),
    "Labels": ("are evenvoice's own", _labels),
    "Hostname": ("is text", _text),
    "AttachStdout": ("is true or false", _true),
    "AttachStderr": ("is true or false", _true),
    "StopSignal": ("is TERM", _one_of("SIGTERM", "TERM", "15")),
    "StopTimeout": ("is a number of seconds", _number),
    "NetworkingConfig": ("names an allowed network and nothing more", _networking),
    "HostConfig": ("is an object", lambda _policy, value: isinstance(value, dict)),
}
HOST: Final[dict[str, tuple[str, Check]]] = {
    "NetworkMode": ("is an allowed network", _network),
    "Binds": ("mount the state folder or a corpus (read-only) at its own path", _binds),
    "Mounts": ("mount the state folder or a corpus (read-only) at its own path", _mounts),
    "Tmpfs": ("are sized and say nothing unusual", _tmpfs),
    "ReadonlyRootfs": ("is true", _true),
    "CapDrop": ("is ALL", _one_of(["ALL"], ["all"])),
    "SecurityOpt": ("is no-new-privileges", _one_of(["no-new-privileges"], ["no-new-privileges:true"],
                                                    ["no-new-privileges=true"])),
    "Init": ("is true", _true),
    "AutoRemove": ("is true or false", _true),
    "Memory": ("is within the limit", _memory),
    "MemorySwap": ("is within the limit", _memory),
    "MemoryReservation": ("is within the limit", _memory),
    "ShmSize": ("is within the limit", _memory),
    "PidsLimit": ("is within the limit", _pids),
    "NanoCpus": ("is a number", _number),
    "CpuShares": ("is a number", _number),
    "CpuPeriod": ("is a number", _number),
    "CpuQuota": ("is a number", _number),
    "CpusetCpus": ("is a list of cores", lambda _policy, value: isinstance(value, str)
                   and re.fullmatch(r"[0-9,-]{1,200}", value) is not None),
    "IpcMode": ("is private", _one_of("private", "none")),
    "DeviceRequests": ("ask for GPUs only", _gpus),
    "LogConfig": ("writes files on the engine's machine", _log),
    "RestartPolicy": ("is no", _no_restart),
}
