"""A stage's own command without DVC: one shard of it, or one machine of several that train together."""

from __future__ import annotations

import subprocess
import sys

from worker.reproduce import Attempt


def compute_shard(stage: str, shard: str, *, limit_s: float) -> int:
    """Compute the pieces of ``shard``, such as ``3/16``, and return the exit status.

    No lock is needed: pieces are written whole, whoever else writes the same.
    """
    return _run(stage, ("--shard", shard), f"{stage}, shard {shard},", limit_s)


def take_part(stage: str, *, limit_s: float) -> int:
    """Train together with the machine on which a worker runs ``stage``, and return the exit status.

    torchrun's variables say which one that is; only there results are written.
    """
    return _run(stage, (), stage, limit_s)


def _run(stage: str, arguments: tuple[str, ...], shown: str, limit_s: float) -> int:
    name, _, item = stage.partition("@")
    argv = (sys.executable, "-m", f"stages.{name}", *([item] if item else []), *arguments)
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,  # noqa: S603
                               stderr=subprocess.STDOUT, start_new_session=True)
    return Attempt(shown, process, limit_s).finish()
