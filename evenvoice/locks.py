"""Locks that the kernel keeps: none is ever stale, and they hold between containers on one machine."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evenvoice.errors import WorkspaceError


@contextmanager
def exclusive(path: Path, *, wait: bool) -> Iterator[int]:
    """Hold a kernel lock on ``path`` and yield its descriptor.

    A process that inherits the descriptor keeps the lock when its parent is killed, and the kernel frees it when the
    last holder ends, however it ends: no stale lock, no second worker beside an orphan.

    Raises:
        WorkspaceError: someone else holds it and ``wait`` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkspaceError(name=str(path), rule="be held by nobody else", value="a running process",
                                 action="Wait until it ends, or stop it.") from None
        yield file.fileno()
