"""Bring a stage up to date, and say whether it really worked and what its result was made with.

DVC uses earlier results wherever inputs are the same. Packages, interpreter and processor are no inputs to it, so a
result that is used again may be that of older ones: it is shown, or computed anew where that was asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from evenvoice import dvc_lock, made_with
from evenvoice.made_with import MadeWith
from evenvoice.storage import read_json, write_json
from worker.reproduce import reproduce

LOCK: Final = Path("dvc.lock")
FOLDER: Final = Path(".made_with")
"""Of the workspace: one file per stage, which the control plane reads."""
Find = Callable[[str, Mapping[str, Any]], MadeWith | None]
"""Stage and entry -> what its outputs were made with, where that is known."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How a stage is to be brought up to date."""

    force: bool
    """Although nothing changed."""
    rerun_older: bool
    """Although nothing changed but what it would be made with."""
    limit_s: float


class Reproduce(Protocol):
    """As :func:`worker.reproduce.reproduce`."""

    def __call__(self, stage: str, *, force: bool, limit_s: float) -> int:
        """Bring the stage up to date and return its exit status."""


def bring_up_to_date(stage: str, wish: Wish, find: Find, reproduce: Reproduce = reproduce) -> int:
    """Run the stage where needed and return its exit status; what its result was made with is written to FOLDER."""
    status, used = _reproduced(stage, reproduce, force=wish.force, limit_s=wish.limit_s)
    if status:
        return status
    entry = dvc_lock.entries(LOCK).get(stage)
    then = used or (find(stage, entry) if entry else None)
    age = [] if used else made_with.age(then, MadeWith.here())
    if age and wish.rerun_older:
        print(f"{stage} is computed anew: {', '.join(age)}", flush=True)
        status, used = _reproduced(stage, reproduce, force=True, limit_s=wish.limit_s)
        then, age = used or then, [] if used else age
    write_json(FOLDER / f"{stage}.json", {"executed": used is not None, "age": age,
                                          "made_with": then.to_json() if then else None})
    return status


def _reproduced(stage: str, reproduce: Reproduce, *, force: bool, limit_s: float) -> tuple[int, MadeWith | None]:
    """The exit status, and what the stage worked with if it did."""
    report = (FOLDER / f"{stage}.used.json").absolute()
    report.unlink(missing_ok=True)
    os.environ[made_with.REPORT] = str(report)  # the stage is a grandchild of this process
    status = reproduce(stage, force=force, limit_s=limit_s)
    if status or not report.exists():
        return status, None
    used = MadeWith.from_json(read_json(report))
    report.unlink()
    return status, used
