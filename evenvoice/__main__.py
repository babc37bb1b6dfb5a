"""``python -m evenvoice``, or ``evenvoice``: use a trained recogniser from the command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final

from evenvoice.commands import export, transcribe
from evenvoice.errors import EvenvoiceError

INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141
"""What shells report for SIGINT and SIGPIPE."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and obey; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
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
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="evenvoice", description="Use a trained streaming speech recogniser.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module, text in (("transcribe", transcribe, "write down what is said in recordings"),
                               ("export", export, "write a recogniser as ONNX files")):
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
