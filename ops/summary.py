"""The last words of `make run`: what came of it, or what went wrong and how to go on."""

from __future__ import annotations

import os
import re
from pathlib import Path

from rich.console import Console

from dags.runs import Run
from ops.board import Board

LOG_LINES = 25


def print_summary(run: Run, console: Console, *, took: str) -> None:
    """Figures, verdict, version, and where to look."""
    console.print(f"\nfinished in {took}", highlight=False)


def print_failure(run: Run, board: Board, console: Console) -> None:
    """The failed stage's own words, where all of its output is, and how to go on."""
    for row in board.failed:
        console.print(f"\n{row.name} failed:", style="bold red", highlight=False)
        console.print(row.error, markup=False, highlight=False)
        if row.log:
            console.print(f"\nall of its output: {_near(Path(row.log))}", highlight=False)
    if not board.failed:
        console.print("\nthe run failed outside its stages; the end of its log:", style="bold red", highlight=False)
        console.print(_tail(run.directory / "airflow.log"), markup=False, highlight=False)
    console.print("finished stages are kept: `make run` goes on from here", highlight=False)


def _tail(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else "(empty)"
    return "\n".join(re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()[-LOG_LINES:])


def _near(path: Path) -> str:
    return os.path.relpath(path)
