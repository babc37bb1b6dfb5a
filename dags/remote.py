"""Where results go beside this machine: a DVC remote in an object store, by one setting.

    EVENVOICE_REMOTE=s3://bucket/prefix     endpoint and credentials by the standard AWS variables and profiles
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dags.runs import Run
from evenvoice.errors import TransientError
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


def has_remote() -> bool:
    """Whether results go anywhere beside this machine."""
    return bool(os.environ.get(SETTING))


def push(run: Run) -> None:
    """Copy what a run made to the remote, with what DVC needs to skip its stages elsewhere.

    Raises:
        TransientError: not everything arrived.
    """
    argv = [sys.executable, "-m", "dvc", "push", "--quiet", "--run-cache"]
    done = subprocess.run(argv, cwd=run.workspace, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise TransientError(name=os.environ[SETTING], rule="take the results of the run",
                             value=" ".join(done.stderr.split())[-500:] or f"exit status {done.returncode}",
                             action="Check the store, its credentials and AWS_ENDPOINT_URL; results are safe here.")
