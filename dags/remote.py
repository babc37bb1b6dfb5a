"""Where results go beside this machine: a DVC remote in an object store, by one setting.

    EVENVOICE_REMOTE=s3://bucket/prefix     endpoint and credentials by the standard AWS variables and profiles
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dags.runs import Run
from evenvoice.errors import TransientError
from evenvoice.object_store import Address
from worker import dvc_door

SETTING: Final = "EVENVOICE_REMOTE"


def local_config(cache: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Return the whole ``.dvc/config.local`` of a run's workspace: the shared cache, and the remote if there is one.

    Raises:
        ParamsError: EVENVOICE_REMOTE is no address in an object store.
    """
    url = environment.get(SETTING, "")
    return dvc_door.config(cache=str(cache), remote=str(Address.parse(url)) if url else "")


def has_remote() -> bool:
    """Whether results go anywhere beside this machine."""
    return bool(os.environ.get(SETTING))


def push(run: Run) -> None:
    """Copy what a run made to the remote, with what DVC needs to skip its stages elsewhere.

    Raises:
        TransientError: not everything arrived.
    """
    done = dvc_door.run("push", "--quiet", "--run-cache", directory=run.workspace)
    if done.returncode:
        raise TransientError(name=os.environ[SETTING], rule="take the results of the run",
                             value=" ".join(done.stderr.split())[-500:] or f"exit status {done.returncode}",
                             action="Check the store, its credentials and AWS_ENDPOINT_URL; results are safe here.")
