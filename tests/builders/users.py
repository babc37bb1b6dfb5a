"""Another user, for tests of what may not be read."""

from __future__ import annotations

import codecs
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ops.bootstrap import SUPPORTED

NOBODY = 65534


def as_nobody() -> dict[str, Any]:
    """Options of subprocess by which a command is another user's; empty where the tests are not root's."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def open_to_nobody(folder: Path) -> None:
    """Let everybody walk to ``folder``, a temporary one."""
    for parent in (folder, *folder.parents):
        if str(parent).startswith(f"{tempfile.gettempdir()}/"):
            parent.chmod(0o755)


def python_for_nobody() -> str:
    """A supported Python that :func:`as_nobody` may run, and that can make an environment; skips where none is."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for path in (Path(folder) / f"python{python}" for python in SUPPORTED for folder in folders):
        if path.exists() and _runs(path):
            return str(path)
    pytest.skip("this machine has no supported Python that another user may run")


def _runs(python: Path) -> bool:
    try:
        done = subprocess.run([python, "-c", "import venv, ensurepip"], cwd="/", capture_output=True, check=False,
                              **as_nobody())
    except PermissionError:
        return False
    return done.returncode == 0


@contextmanager
def closed_to_nobody(path: Path, *, inside: Path) -> Iterator[str]:
    """Close ``path`` to everybody and be a user who owns nothing where the tests run as root; yields the user.

    The folders from ``inside`` up to that of all temporary files are opened before.
    """
    path = path.resolve()  # also of "..", through which there is no way once it is closed
    codecs.lookup("utf-8-sig")  # which Python reads from a file that may be closed as well
    before = path.stat().st_mode
    open_to_nobody(inside)
    path.chmod(0)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(NOBODY)
        yield "user nobody" if root else "user "
    finally:
        if root:
            os.seteuid(0)
        path.chmod(before)
