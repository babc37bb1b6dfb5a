"""What is known about a run while it works: one row per stage, fed by the events of progress.jsonl."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SETTLED = ("done", "cached", "failed")


@dataclass
class Row:
    """One stage or effect."""

    name: str
    state: str = "waiting"
    started_at: float | None = None
    seconds: float | None = None
    done: int | None = None
    total: int | None = None
    unit: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    seconds_left: float | None = None
    why: str = ""
    """What keeps it from working: its pod waits, or its node was lost."""
    error: str = ""
    log: str = ""

    def detail(self) -> str:
        """Step, loss and time left, as far as they are known; or what it waits for."""
        if self.why:
            return self.why
        if self.done is None or self.state in ("cached", "waiting"):
            return ""
        of = f"/{self.total}" if self.total is not None else ""
        parts = [f"{self.unit} {self.done}{of}", *(f"{name} {value:.4g}" for name, value in self.figures.items())]
        if self.state == "started" and self.seconds_left is not None:
            parts.append(f"{clock(self.seconds_left)} left")
        return "  ".join(parts)


class Board:
    """Rows in the order in which stages run; names that nobody expected are added at the end."""

    def __init__(self, names: Iterable[str]) -> None:
        self.rows = {name: Row(name) for name in names}
        self._latest = ""

    def apply(self, event: Mapping[str, Any]) -> Row:
        """Take in one event and return the row that it is about."""
        row = self._row(str(event["stage"]), is_state="state" in event)
        if "state" in event:
            self._change(row, event)
        elif "done" in event:
            row.done, row.total, row.unit = event["done"], event["total"], event["unit"]
            row.figures, row.seconds_left, row.why = event["figures"], event["seconds_left"], ""
        elif "why" in event:
            row.why = event["why"]
        return row

    @property
    def failed(self) -> list[Row]:
        return [row for row in self.rows.values() if row.state == "failed"]

    def _row(self, name: str, *, is_state: bool) -> Row:
        if name not in self.rows and not is_state and self._latest:
            return self.rows[self._latest]  # a stage of a matrix that reports under its group's name
        return self.rows.setdefault(name, Row(name))

    def _change(self, row: Row, event: Mapping[str, Any]) -> None:
        row.state = str(event["state"])
        if row.state == "started":
            row.started_at, self._latest = event["at"], row.name
            row.done = row.seconds = None
        elif row.started_at is not None:
            row.seconds = event["at"] - row.started_at
        row.error, row.log, row.why = event.get("error", ""), event.get("log", ""), ""


class Events:
    """Reads events as they are appended to a file that may not exist yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def new(self) -> Iterator[dict[str, Any]]:
        """Every whole line that came since the last call."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._position += len(whole)
        for line in whole.splitlines():
            yield json.loads(line)


def clock(seconds: float) -> str:
    """``4.2s``, ``38s``, ``3m07s``."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
