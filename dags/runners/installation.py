"""What tells the pods of one installation from those of another in the same namespace."""

from __future__ import annotations

import secrets
from pathlib import Path

from dags.runs import state_of
from evenvoice.locks import exclusive
from evenvoice.storage import write_text


def installation_of(root: Path) -> str:
    """A name that is drawn once, and lies where all tasks of an installation keep their runs."""
    path = state_of(root) / "installation"
    if not path.exists():
        with exclusive(path.with_suffix(".lock"), wait=True):
            if not path.exists():
                write_text(path, secrets.token_hex(6) + "\n")
    return path.read_text(encoding="utf-8").strip()
