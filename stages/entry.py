"""How every stage starts and ends: --help, parameters, and errors whose text closes the task log."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from evenvoice.errors import EvenvoiceError
from evenvoice.made_with import report_used
from evenvoice.params import load_params


def run_stage(main: Callable[..., None], description: str | None, *, sharded: bool = False) -> NoReturn:
    """Run a stage and exit: 0 done, 3 a person must act, 75 try again, 1 a defect.

    Args:
        main: called with the parameters, and with ``shard`` where that is given.
        description: for --help.
        sharded: whether a share of the work can be asked for, with ``--shard 3/16``.
    """
    options = _parser(description, sharded=sharded).parse_args()
    _run(lambda: main(load_params(), **_shard(options)))


def run_matrix_stage(main: Callable[..., None], description: str | None, item: str, choices: tuple[str, ...], *,
                     sharded: bool = False) -> NoReturn:
    """:func:`run_stage` for one that dvc.yaml repeats over a matrix; ``item`` names its one argument."""
    parser = _parser(description, sharded=sharded)
    parser.add_argument(item, choices=choices)
    options = parser.parse_args()
    _run(lambda: main(load_params(), getattr(options, item), **_shard(options)))


def _parser(description: str | None, *, sharded: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    if sharded:
        parser.add_argument("--shard", default="", metavar="3/16",
                            help="only prepare this share of the work; the stage itself puts the shares together")
    return parser


def _shard(options: argparse.Namespace) -> dict[str, str]:
    return {"shard": options.shard} if "shard" in options else {}


def _run(work: Callable[[], None]) -> NoReturn:
    try:
        work()
    except EvenvoiceError as error:
        sys.stdout.flush()
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)
    report_used()
    sys.exit(0)
