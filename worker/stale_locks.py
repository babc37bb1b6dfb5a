"""What a killed DVC left in its read-write lock.

DVC notes there who reads and writes which path, by process id, and takes an entry for stale once no process has that
id. Ids mean nothing across containers: the entry of a killed one names an id that the next container gives to somebody
else, and `dvc --wait-for-lock` would wait for ever.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evenvoice.storage import write_text
from worker.dvc_door import edit_lock

RWLOCK = Path(".dvc/tmp/rwlock")


def forget_the_killed(stage: str) -> None:
    """Remove the entries of earlier `dvc repro` commands for ``stage``; those of other stages stay.

    Call it with the stage's kernel lock in hand: then whoever made these entries is dead.
    """
    if not RWLOCK.exists() or stage not in RWLOCK.read_text(encoding="utf-8"):
        return
    with edit_lock(RWLOCK):
        entries = json.loads(RWLOCK.read_text(encoding="utf-8"))
        write_text(RWLOCK, json.dumps(_without(stage, entries)))


def _without(stage: str, entries: dict[str, Any]) -> dict[str, Any]:
    writers = {path: entry for path, entry in entries.get("write", {}).items() if not _of(stage, entry)}
    readers = {path: [entry for entry in found if not _of(stage, entry)]
               for path, found in entries.get("read", {}).items()}
    return {"write": writers, "read": {path: found for path, found in readers.items() if found}}


def _of(stage: str, entry: dict[str, Any]) -> bool:
    """DVC notes its whole command line, which ends with the stage."""
    words = str(entry["cmd"]).split()
    return words[-1:] == [stage] and "repro" in words
