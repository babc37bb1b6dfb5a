"""Another user, for tests of what may not be read."""

from __future__ import annotations

import codecs
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def closed_to_nobody(path: Path, *, inside: Path) -> Iterator[str]:
    """Close ``path`` to everybody and be a user who owns nothing where the tests run as root; yields the user.

    The folders from ``inside`` up to that of all temporary files are opened before.
    """
    path = path.resolve()  # also of "..", through which there is no way once it is closed
    codecs.lookup("utf-8-sig")  # which Python reads from a file that may be closed as well
    before = path.stat().st_mode
    for folder in (inside, *inside.parents):
        if str(folder).startswith(f"{tempfile.gettempdir()}/"):
            folder.chmod(0o755)
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
