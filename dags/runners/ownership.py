"""One uid owns what containers work on.

Stages never run as root. Where the control plane does, what it made is given to the uid of the images; otherwise the
containers take the uid of whoever made the workspace. The cache goes along: the kernel lets a process hard-link only
what it owns (fs.protected_hardlinks), and results are hard links into the cache.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dags.runs import Run

IMAGE_UID: Final = 10001


def owner_of(run: Run) -> tuple[int, int]:
    """The uid and gid that containers of this run get."""
    found = run.workspace.stat()
    return (found.st_uid, found.st_gid) if found.st_uid else (IMAGE_UID, IMAGE_UID)


def give(run: Run) -> tuple[int, int]:
    """Make the containers' uid the owner of the run's files and of the shared cache; returns uid and gid.

    Repeated before each stage, since tasks of a control plane that is root write between the stages; a walk over what
    is settled already takes milliseconds.
    """
    if os.geteuid() == 0:
        shared = [run.state / name for name in ("cache", "dvc")]
        for place in shared:
            place.mkdir(parents=True, exist_ok=True)
        uid, gid = owner_of(run)
        for path in (*shared, run.directory):
            _give(path, uid, gid)
    return owner_of(run)


def _give(top: Path, uid: int, gid: int) -> None:
    for path in _everything(top):
        with contextlib.suppress(FileNotFoundError):  # another task's draft
            if path.stat(follow_symlinks=False).st_uid != uid:
                os.chown(path, uid, gid, follow_symlinks=False)


def _everything(top: Path) -> Iterator[os.DirEntry[str] | Path]:
    yield top
    waiting: list[str] = [str(top)]
    while waiting:
        with contextlib.suppress(FileNotFoundError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
