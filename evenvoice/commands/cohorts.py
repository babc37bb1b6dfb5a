"""``evenvoice cohorts``: what to do with the frozen rules of a run, a module for each."""

from __future__ import annotations

import argparse
from typing import Final

from evenvoice.commands import cohorts_assign
from evenvoice.commands.parsing import Command, add_commands

COMMANDS: Final[tuple[tuple[str, Command, str], ...]] = (
    ("assign", cohorts_assign, "say which cohort speakers are in, by the frozen rules of a run"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_commands(parser, COMMANDS)


def run(arguments: argparse.Namespace) -> int:
    """Never reached: the parser demands one of the commands, which takes its place."""
    raise AssertionError(arguments)
