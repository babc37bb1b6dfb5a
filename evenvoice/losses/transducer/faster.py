"""A faster way that not every machine has: tried, and given up for good at its first failure, with the reason."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import torch

T = TypeVar("T")
LONGEST_REASON = 200


class Faster:
    """One way to do something, beside a plain one that gives the same.

    Args:
        name: what is faster, as the reason of a failure names it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.given_up = ""
        """Why it is not used in this process; empty while it is."""

    def attempt(self, fast: Callable[[], T], plain: Callable[[], T]) -> T:
        """The result of ``fast``, or of ``plain`` once ``fast`` has failed.

        Raises:
            torch.OutOfMemoryError: too little memory is no failure of the fast way.
        """
        if not self.given_up:
            try:
                return fast()
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # compilers and drivers fail in any way
                self.give_up(f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST_REASON]}")
        return plain()

    def give_up(self, reason: str) -> None:
        """Print the reason once and use the plain way from now on."""
        if not self.given_up:
            self.given_up = reason
            print(f"{self.name}: not used, {reason}", file=sys.stderr, flush=True)
