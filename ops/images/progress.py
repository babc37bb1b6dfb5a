"""BuildKit's plain output, told in a line per step."""

from __future__ import annotations

import re
import subprocess
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Console

TAIL_LINES = 60
WIDTH = 48
"""Characters of an instruction, so that how it ended still fits on a narrow terminal."""
STEP = re.compile(r"^#(\d+) \[[^\]]*\d+/\d+\] (.*)")
END = re.compile(r"^#(\d+) (DONE \S+|CACHED|ERROR.*)")


class BuildFailed(Exception):
    """BuildKit gave up; ``output`` is the last of what it said."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output


def follow(argv: Sequence[str], environment: Mapping[str, str], console: Console, name: str) -> None:
    """Run a build to its end and print its steps.

    Raises:
        BuildFailed: it ended with another status than 0.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with subprocess.Popen(argv, env=dict(environment), text=True, errors="replace",  # noqa: S603
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        for line in condensed(_kept(process.stdout, tail)):
            console.print(f"{name}: {line}", highlight=False, markup=False, emoji=False, no_wrap=True,
                          overflow="ellipsis")
    if process.returncode:
        raise BuildFailed("\n".join(tail))


def condensed(lines: Iterable[str]) -> Iterator[str]:
    """``instruction: how it ended`` for each step, once."""
    steps: dict[str, str] = {}
    for line in lines:
        if begun := STEP.match(line):
            steps[begun[1]] = " ".join(begun[2].split())[:WIDTH]
        elif (ended := END.match(line)) and ended[1] in steps:
            yield f"{steps.pop(ended[1])}  {ended[2].removeprefix('DONE ').lower()}"


def _kept(lines: Iterable[str], tail: deque[str]) -> Iterator[str]:
    for line in lines:
        tail.append(line.rstrip())
        yield line.rstrip()
