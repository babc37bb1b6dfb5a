"""Where results go beside this machine: a DVC remote in an object store, by one setting.

    EVENVOICE_REMOTE=s3://bucket/prefix     endpoint and credentials by the standard AWS variables and profiles
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from evenvoice.object_store import Address

SETTING: Final = "EVENVOICE_REMOTE"


def local_config(cache: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Return the whole ``.dvc/config.local`` of a run's workspace: no git, the shared cache, and the remote if any.

    Content is verified on every pull, since DVC otherwise takes a damaged object for what it asked for. Credentials
    and endpoint stay in the environment, where DVC finds them itself, so no secret lies in a workspace.

    Raises:
        ParamsError: EVENVOICE_REMOTE is no address in an object store.
    """
    url = environment.get(SETTING, "")
    core = "[core]\n    no_scm = true\n"
    shared = f"[cache]\n    dir = {cache}\n"
    if not url:
        return core + shared
    remote = f"['remote \"store\"']\n    url = {Address.parse(url)}\n    verify = true\n"
    return f"{core}    remote = store\n{shared}{remote}"
