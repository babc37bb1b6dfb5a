"""Shows a run while it works: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ops.board import SETTLED, Board, Row, clock

STYLES = {"waiting": "dim", "started": "bold cyan", "done": "green", "cached": "dim green", "failed": "bold red"}
WORDS = {"waiting": "", "started": "running", "done": "done", "cached": "unchanged", "failed": "failed"}
SECONDS_BETWEEN_LINES = 10.0


class Display(Protocol):
    """Shows rows as they change, between entering and leaving."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None: ...

    def show(self, row: Row) -> None:
        """``row`` changed."""


def display(console: Console, board: Board) -> Display:
    """A live table where the console is a terminal, otherwise plain lines."""
    return LiveDisplay(console, board) if console.is_terminal else PlainDisplay(console)


class LiveDisplay:
    """A table that is redrawn in place."""

    def __init__(self, console: Console, board: Board) -> None:
        self._board = board
        self._console = console
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._live.stop()

    def show(self, row: Row) -> None:
        """Nothing to do: the table is redrawn from the board."""

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading, justify in (("stage", "left"), ("", "left"), ("time", "right"), ("", "left")):
            table.add_column(heading, justify=justify)  # type: ignore[arg-type]
        for row in visible_rows(list(self._board.rows.values()), self._console.height - 3):
            style = STYLES[row.state]
            table.add_row(Text(row.name, style), Text(WORDS[row.state], style), _elapsed(row), row.detail())
        return table


class PlainDisplay:
    """One line when a stage starts and ends, and now and then in between."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last_line_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        pass

    def show(self, row: Row) -> None:
        """Print what changed."""
        if row.why:
            line = f"{row.name:<24} {row.why}"
        elif row.state in SETTLED or row.done is None:
            line = f"{row.name:<24} {WORDS[row.state]:<10} {_elapsed(row) if row.state in SETTLED else '':>7}"
        elif time.monotonic() - self._last_line_at >= SECONDS_BETWEEN_LINES:
            line = f"{row.name:<24} {row.detail()}"
        else:
            return
        self._last_line_at = time.monotonic()
        self._console.print(line.rstrip(), highlight=False, markup=False)


def visible_rows(rows: list[Row], height: int) -> list[Row]:
    """As many rows as the terminal has room for, around the first that is not settled."""
    working = next((place for place, row in enumerate(rows) if row.state not in SETTLED), len(rows))
    first = max(0, min(working - height // 2, len(rows) - height))
    return rows[first:first + max(height, 1)]


def _elapsed(row: Row) -> str:
    if row.seconds is not None:
        return clock(row.seconds)
    return clock(time.time() - row.started_at) if row.state == "started" and row.started_at is not None else ""
