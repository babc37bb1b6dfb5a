"""What this proxy lets through, read once from its environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

OWNER_LABEL: Final = "evenvoice.state"
"""Containers that carry this label, with the value the policy names, are ours; no others exist for clients."""
TITLE_LABEL: Final = "org.opencontainers.image.title"
STAGE_TITLE: Final = "evenvoice: where a stage runs"
_REPOSITORY: Final = re.compile(r"[a-z0-9._:/-]+")
_VERSION: Final = re.compile(r"(:[A-Za-z0-9_.-]{1,128})?(@sha256:[0-9a-f]{64})?")


class Refused(Exception):
    """A request breaks a rule; the message names the rule and what was found."""

    def __init__(self, rule: str, found: object) -> None:
        self.rule = rule
        super().__init__(f"refused by the engine proxy: {rule}, got {found!r:.200} instead")


@dataclass(frozen=True)
class Policy:
    """The limits within which containers may be made."""

    owner: str
    """Value of the label evenvoice.state."""
    images: tuple[str, ...]
    """Repositories without tag: any tag or digest of these may run."""
    state: str
    """The one folder that containers may write; mounted as a whole and at its own path."""
    corpora: tuple[str, ...] = ()
    """Folders that containers may read."""
    networks: tuple[str, ...] = ("none",)
    """Networks that containers may join."""
    memory_limit: int = 256 * 2**30
    """Most bytes that one container may ask for."""
    pids_limit: int = 8192

    def permits_image(self, name: str) -> bool:
        """Whether ``name`` is a tag or digest of an allowed repository."""
        return any(name == repository or (name.startswith(repository) and _VERSION.fullmatch(name[len(repository):]))
                   for repository in self.images)

    def permits_described(self, described: Mapping[str, Any]) -> bool:
        """Whether an image, as the engine describes it, has an allowed name, or had one before the next was built.

        A run keeps to the image that it began with, and a build takes that one's tag away. Then the title that builds
        give is what is left; clients cannot make images, so whoever could forge it needs no proxy.
        """
        names = [name for name in (*(described.get("RepoTags") or ()), *(described.get("RepoDigests") or ()))
                 if "<none>" not in name]
        labels = described.get("Config", {}).get("Labels") or {}
        return any(map(self.permits_image, names)) or (not names and labels.get(TITLE_LABEL) == STAGE_TITLE)


def policy_from(environment: Mapping[str, str] = os.environ) -> Policy:
    """Read the policy.

    Raises:
        ValueError: a setting is missing or is no folder, repository or network; the proxy must not start.
    """
    policy = Policy(owner=environment.get("PROXY_OWNER", ""), images=_list(environment, "PROXY_IMAGES"),
                    state=environment.get("PROXY_STATE", ""), corpora=_list(environment, "PROXY_CORPORA"),
                    networks=_list(environment, "PROXY_NETWORKS"))
    if not policy.owner:
        raise ValueError("PROXY_OWNER must say which label containers of this installation carry")
    if not policy.images or not all(_REPOSITORY.fullmatch(image) for image in policy.images):
        raise ValueError(f"PROXY_IMAGES must list repositories, got {policy.images} instead")
    for folder in (policy.state, *policy.corpora):
        if not is_plain_path(folder) or folder == "/":
            raise ValueError(f"PROXY_STATE and PROXY_CORPORA must be absolute folders, got {folder!r} instead")
    for folder in policy.corpora:
        if f"{folder}/".startswith(f"{policy.state}/") or f"{policy.state}/".startswith(f"{folder}/"):
            raise ValueError(f"PROXY_CORPORA must lie apart from what containers write, got {folder!r} instead")
    if {"host", "default", "bridge"} & set(policy.networks) or not policy.networks:
        raise ValueError(f"PROXY_NETWORKS must list networks made for stages, got {policy.networks} instead")
    return policy


def is_plain_path(path: object) -> bool:
    """An absolute path that says where it leads: no `..`, no doubled slashes, no colon that could end it early."""
    return (isinstance(path, str) and path.startswith("/") and os.path.normpath(path) == path
            and not path.startswith("//") and ":" not in path and path.isprintable())


def _list(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(filter(None, (item.strip() for item in environment.get(name, "").split(","))))
