"""How every stage starts and ends: --help, parameters, and errors whose text closes the task log."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from evenvoice.errors import EvenvoiceError
from evenvoice.params import Params, load_params


def run_stage(main: Callable[[Params], None], description: str | None) -> NoReturn:
    """Run a stage without arguments and exit: 0 done, 3 a person must act, 75 try again, 1 a defect."""
    argparse.ArgumentParser(description=description).parse_args()
    _run(lambda: main(load_params()))


def run_matrix_stage(main: Callable[[Params, str], None], description: str | None, item: str,
                     choices: tuple[str, ...]) -> NoReturn:
    """Run a stage that dvc.yaml repeats over a matrix; ``item`` names its one argument."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(item, choices=choices)
    chosen = getattr(parser.parse_args(), item)
    _run(lambda: main(load_params(), chosen))


def _run(work: Callable[[], None]) -> NoReturn:
    try:
        work()
    except EvenvoiceError as error:
        sys.stdout.flush()
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)
    sys.exit(0)
