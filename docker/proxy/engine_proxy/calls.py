"""Which calls of the engine's interface exist here, and what is sent on for each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

from engine_proxy.creation import rebuild
from engine_proxy.policy import OWNER_LABEL, Policy, Refused

OLDEST_API: Final = 40
"""Older interfaces read more from a request than is looked at here: 1.23 takes limits and mounts with `start`."""
_VERSION: Final = re.compile(r"/v1\.([0-9]{1,3})(?=/)")
_CONTAINER: Final = r"(?P<container>[A-Za-z0-9][A-Za-z0-9_.-]{0,127})"
_IMAGE: Final = r"(?P<image>[a-z0-9][A-Za-z0-9_./:@-]{0,255})"
_INFO: Final = frozenset({
    "ID", "Name", "ServerVersion", "OSType", "Architecture", "KernelVersion", "OperatingSystem", "NCPU", "MemTotal",
    "Driver", "CgroupDriver", "CgroupVersion", "MemoryLimit", "SwapLimit", "PidsLimit", "CpuCfsQuota", "DefaultRuntime",
    "Runtimes", "SecurityOptions", "DockerRootDir", "Containers", "ContainersRunning", "Images"})


@dataclass(frozen=True)
class Request:
    """What a client sent, as far as it matters."""

    method: str
    target: str
    """As in the request line, query included."""
    body: bytes = b""


@dataclass(frozen=True)
class Call:
    """What to send to the engine; made of parts that were understood."""

    method: str
    path: str
    """Without a container's name: "{container}" stands for the id that the label was found on."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    container: str = ""
    """Must carry our label before anything is sent."""
    image: str = ""
    """Must be an allowed image before anything is sent."""
    answer: Callable[[Any], Any] | None = None
    """Cuts a JSON answer down to what may be seen."""

    def target(self, container_id: str = "") -> str:
        """The request line's target."""
        path = quote(self.path.replace("{container}", container_id), safe="/:@.-_")
        return f"{path}?{urlencode(self.query)}" if self.query else path


@dataclass(frozen=True)
class _Route:
    method: str
    pattern: re.Pattern[str]
    queries: Mapping[str, str]
    """Name of each query parameter -> pattern of its value."""
    answer: Callable[[Any], Any] | None = None


def _info(content: Any) -> Any:
    return {name: value for name, value in content.items() if name in _INFO}


def _route(method: str, path: str, answer: Callable[[Any], Any] | None = None, **queries: str) -> _Route:
    return _Route(method, re.compile(path), queries, answer)


_NOTHING: Final = (b"", b"{}", b"null", b'""')
"""What clients send where there is nothing to say."""
_FLAG: Final = "(0|1|true|false|True|False)"
_TIME: Final = r"[0-9]{1,12}(\.[0-9]{1,9})?"
_SIGNAL: Final = r"(SIG)?(TERM|KILL|INT)|9|15|2"
_ROUTES: Final = (
    _route("GET", "/_ping"),
    _route("HEAD", "/_ping"),
    _route("GET", "/version"),
    _route("GET", "/info", _info),
    _route("GET", f"/images/{_IMAGE}/json"),
    _route("GET", "/containers/json", all=_FLAG, limit=r"-?[0-9]{1,6}", size=_FLAG, trunc_cmd=_FLAG, filters=".*"),
    _route("POST", "/containers/create", name=r"[A-Za-z0-9][A-Za-z0-9_.-]{1,127}"),
    _route("GET", f"/containers/{_CONTAINER}/json", size=_FLAG),
    _route("GET", f"/containers/{_CONTAINER}/logs", stdout=_FLAG, stderr=_FLAG, follow=_FLAG, timestamps=_FLAG,
           since=_TIME, until=_TIME, tail="(all|[0-9]{1,9})"),
    _route("POST", f"/containers/{_CONTAINER}/start"),
    _route("POST", f"/containers/{_CONTAINER}/stop", t="[0-9]{1,6}", signal=_SIGNAL),
    _route("POST", f"/containers/{_CONTAINER}/kill", signal=_SIGNAL),
    _route("POST", f"/containers/{_CONTAINER}/wait", condition="(not-running|next-exit|removed)"),
    _route("DELETE", f"/containers/{_CONTAINER}", v=_FLAG, force=_FLAG, link="(0|false|False)"),
)


def decide(policy: Policy, request: Request) -> Call:
    """Turn a request into what may be sent to the engine.

    Raises:
        Refused: with the rule that it breaks.
    """
    version, path, query = _parts(request.target)
    route, found = _match(request.method, path)
    _demand_queries(route, query)
    container, image = found.get("container", ""), found.get("image", "")
    body = b""
    if path == "/containers/create":
        body, image = rebuild(policy, request.body)
    elif request.body.strip() not in _NOTHING:
        raise Refused("only create has a body", request.body[:80])
    if path == "/containers/json":
        query = {**query, "filters": _own_only(policy, query.get("filters", "{}"))}
    if container:
        path = f"/containers/{{container}}{path.removeprefix(f'/containers/{container}')}"
    return Call(method=request.method, path=version + path, query=query, body=body, container=container, image=image,
                answer=route.answer)


def _parts(target: str) -> tuple[str, str, dict[str, str]]:
    """Version prefix, path and query, each decoded once."""
    if not target.isascii() or not target.isprintable() or any(character in target for character in "\\# "):
        raise Refused("the target is plain ASCII", target)
    raw_path, _, raw_query = target.partition("?")
    path = unquote(raw_path)
    if not path.startswith("/") or "%" in path or not path.isascii() or not path.isprintable():
        raise Refused("the path is encoded once, in plain ASCII", raw_path)
    if any(part in ("", ".", "..") for part in path.split("/")[1:]):
        raise Refused("the path has no empty, '.' or '..' part", raw_path)
    version = ""
    if prefix := _VERSION.match(path):
        if int(prefix[1]) < OLDEST_API:
            raise Refused(f"the interface is 1.{OLDEST_API} or newer", prefix[0])
        version, path = prefix[0], path[prefix.end():]
    return version, path, _query(raw_query)


def _query(raw: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, strict_parsing=True, errors="strict") if raw else []
    except ValueError:
        raise Refused("the query is well formed", raw) from None
    if len(dict(pairs)) != len(pairs):
        raise Refused("each query parameter is given once", raw)
    return dict(pairs)


def _match(method: str, path: str) -> tuple[_Route, dict[str, str]]:
    # "create" and "json" are names that a container could have; the fixed paths come first
    for route in sorted(_ROUTES, key=lambda route: "(?P" in route.pattern.pattern):
        if route.method == method and (found := route.pattern.fullmatch(path)):
            return route, found.groupdict()
    raise Refused("the call is one that running stages needs", f"{method} {path}")


def _demand_queries(route: _Route, query: Mapping[str, str]) -> None:
    for name, value in query.items():
        if name not in route.queries:
            raise Refused("the query has no other parameters than those known here", f"{name}={value}")
        if not re.fullmatch(route.queries[name], value, re.DOTALL):
            raise Refused(f"the query parameter {name} matches {route.queries[name]}", value)


def _own_only(policy: Policy, raw: str) -> str:
    """The client's filters, and ours on top of them."""
    try:
        filters = json.loads(raw)
        labels = _values(filters.pop("label", []))
        others = {name: _values(filters[name]) for name in filters if name in ("name", "id", "status", "exited")}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Refused("filters are lists of text by name", raw) from None
    if set(filters) != set(others):
        raise Refused("containers are filtered by label, name, id, status or exited", sorted(filters))
    return json.dumps({**others, "label": [*labels, f"{OWNER_LABEL}={policy.owner}"]})


def _values(content: Any) -> list[str]:
    """Clients write ["a"] or, as older ones do, {"a": true}."""
    values = list(content)
    if not isinstance(content, list | dict) or not all(isinstance(value, str) for value in values):
        raise TypeError("filters are text")
    return values
