"""``python -m evenvoice``, or ``evenvoice``: use what a run left, models and cohorts, from the command line."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Final

from evenvoice.errors import EvenvoiceError

DEFECT: Final = 70
"""As sysexits.h has it, and never 1, which is a verdict."""
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141
"""What shells report for SIGINT and SIGPIPE."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and obey; returns the exit status."""
    try:
        arguments = _parser().parse_args(argv)
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except EvenvoiceError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception:
        traceback.print_exc()
        print("This is a defect of evenvoice; please report it with the lines above.", file=sys.stderr)
        return DEFECT
    return status


def _parser() -> argparse.ArgumentParser:
    # here, since Python itself would end with 1 where one of their packages is missing
    from evenvoice.commands import cohorts, export, judge, transcribe, verify
    from evenvoice.commands.parsing import add_commands

    parser = argparse.ArgumentParser(prog="evenvoice",
                                     description="Use what a run left, or judge what any recogniser wrote.")
    add_commands(parser, (("transcribe", transcribe, "write down what is said in recordings"),
                          ("export", export, "write a recogniser as ONNX files"),
                          ("verify", verify, "tell whether two recordings are of one speaker"),
                          ("cohorts", cohorts, "use the frozen rules that tell cohorts apart"),
                          ("judge", judge, "judge anybody's recogniser by what it wrote")))
    return parser


if __name__ == "__main__":
    sys.exit(main())
