"""Run one stage of dvc.yaml in the workspace that is the current directory.

Exit status: that of the stage itself; 124 when it took longer than it may; 143 when it was asked to end.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from functools import partial
from pathlib import Path

from evenvoice import made_with
from evenvoice.errors import EvenvoiceError
from worker.bringing_up import Wish, bring_up_to_date
from worker.exchange import Exchange
from worker.machines import Machine, meet
from worker.shard import compute_shard
from worker.without_disk import compute_shard_without_disk, reproduce_without_disk, take_part_without_disk


def main() -> int:
    """Read the command line and work."""
    parser = argparse.ArgumentParser(prog="python -m worker", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", help="name of a stage as DVC calls it, for example train or discover@clusters")
    parser.add_argument("--force", action="store_true", help="run it although nothing changed")
    parser.add_argument("--rerun-older", action="store_true", help="run it although nothing changed, if its result was "
                        "made with other packages, interpreter, processor or threads than there are here")
    parser.add_argument("--minutes", type=float, required=True, help="stop the stage when it takes longer")
    parser.add_argument("--shard", metavar="3/16", help="only compute the pieces of this share of the stage")
    parser.add_argument("--machine", metavar="1/2", help="train together with the workers of the other machines, "
                        "counted from 0; the first one runs the stage, the others take part; needs --exchange")
    parser.add_argument("--log", help="append all output to this file instead of standard output")
    parser.add_argument("--exchange", metavar="URL", help="s3://bucket/root/runs/run: what stages hand to each other "
                        "where they share no disk; the current directory must then be empty")
    options = parser.parse_args()
    limit_s = options.minutes * 60
    said_before = os.dup(2)
    try:
        if options.log:
            _speak_into(options.log)
        if options.exchange and options.machine:
            machine = _joined(options.stage, options.machine, options.exchange)
            if not machine.is_first:
                return take_part_without_disk(options.stage, machine, options.exchange, limit_s=limit_s)
        if options.exchange and options.shard:
            return compute_shard_without_disk(options.stage, options.shard, options.exchange, limit_s=limit_s)
        if options.exchange:
            return reproduce_without_disk(options.stage, options.exchange, force=options.force,
                                          rerun_older=options.rerun_older, limit_s=limit_s)
        if options.shard:
            return compute_shard(options.stage, options.shard, limit_s=limit_s)
        wish = Wish(force=options.force, rerun_older=options.rerun_older, limit_s=limit_s)
        return bring_up_to_date(options.stage, wish, partial(made_with.find, _records()))
    except EvenvoiceError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        os.write(said_before, f"{options.stage} ended: {error}, and none for its log\n".encode())
        os._exit(EvenvoiceError.exit_code)  # what is buffered for the log cannot be written at exit either


def _joined(stage: str, machine: str, url: str) -> Machine:
    """Join the machines; returns which of them this one is."""
    own = Machine.parse(machine)
    os.environ.update(meet(Exchange.at(url).store, stage, own))  # for torchrun, which the stage starts
    return own


def _records() -> Path:
    """Kept by the control plane, which shares this disk."""
    return Path(os.environ.get("EVENVOICE_HOME", ".evenvoice")) / "made_with"


def _speak_into(log: str) -> None:
    """The file lasts whatever becomes of those who read it, and needs no stream that may break."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


if __name__ == "__main__":
    sys.exit(main())
