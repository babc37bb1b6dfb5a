"""What a disk refuses, in words: which file, and which user may not read it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evenvoice.errors import CorpusError


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """Turn an error of the disk about ``path``, or about what lies below it, into ours.

    Raises:
        CorpusError: this user may not read it, it went away meanwhile, or the disk is at fault.
    """
    try:
        yield
    except PermissionError as error:
        raise CorpusError(name=str(error.filename or path), rule=f"be readable by {_user()}",
                          value=error.strerror or str(error),
                          action="Let this user read it, and enter the folders above it (chmod, chown, setfacl), or "
                                 "start the run as a user who may.") from error
    except OSError as error:
        raise CorpusError(name=str(error.filename or path), rule="be readable", value=error.strerror or str(error),
                          action="Check the disk, and that nobody changes the corpus meanwhile.") from error


def _user() -> str:
    import pwd

    try:
        return f"user {pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:  # in containers, any number may be a user
        return f"user {os.geteuid()}"
