"""Commands and their parts, a module for each, on one parser."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Protocol


class Command(Protocol):
    """A module that describes its command line, and obeys it."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Describe the command line."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Obey it; returns the exit status."""


def add_commands(parser: argparse.ArgumentParser, commands: Sequence[tuple[str, Command, str]]) -> None:
    """Let the next word choose one of ``commands``: its name, its module, and what it does in a few words."""
    chosen = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module, text in commands:
        command = chosen.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.set_defaults(run=module.run)
        module.add_arguments(command)


def positive(text: str) -> int:
    """A whole number of at least 1, as an argument's type."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number of at least 1, got {text} instead")
    return int(text)
