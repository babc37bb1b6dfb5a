"""Progress of long work: one throttled line for the task log, one event for whoever watches the run.

A stage reports steps; where ``EVENVOICE_PROGRESS`` names a file, each report is also appended to it as
one JSON line, which the console of ``make run`` follows.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 2.0


class Progress:
    """Counts steps of one piece of work and says how long the rest will take.

    Args:
        stage: name as it stands in dvc.yaml, e.g. ``mitigate@ewc``.
        total: number of steps, or None while unknown.
        unit: what one step is, e.g. ``step`` or ``utterance``.
        sink: the file of events, instead of the one that ``EVENVOICE_PROGRESS`` names.
    """

    def __init__(self, stage: str, total: int | None = None, unit: str = "step", *, sink: Path | None = None) -> None:
        self.stage = stage
        self.total = total
        self.unit = unit
        self.done = 0
        self._started_at = time.monotonic()
        self._done_at_start = 0
        self._last_line_at = float("-inf")
        self._sink = str(sink) if sink else os.environ.get("EVENVOICE_PROGRESS")

    def resume_at(self, done: int) -> None:
        """Count from ``done`` without letting restored steps flatter the estimate of the time left."""
        self.done = self._done_at_start = done
        self._started_at = time.monotonic()

    def advance(self, steps: int = 1, **figures: float) -> None:
        """Add ``steps`` and report at most every two seconds, and always at the end."""
        self.done += steps
        now = time.monotonic()
        finished = self.total is not None and self.done >= self.total
        if finished or now - self._last_line_at >= SECONDS_BETWEEN_LINES:
            self._last_line_at = now
            self._report(figures)

    def note(self, text: str) -> None:
        """Say something once, outside the counting."""
        print(f"{self.stage}  {text}", flush=True)
        self._emit({"stage": self.stage, "note": text})

    def measured(self, **figures: float) -> None:
        """Report what this machine took; kept beside the run, since outputs of stages hold nothing that varies."""
        print("  ".join([self.stage, *(f"{name} {value:.4g}" for name, value in figures.items())]), flush=True)
        self._emit({"stage": self.stage, "measured": figures})

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """Iterate over ``items``, advancing by one after each."""
        for item in items:
            yield item
            self.advance()

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the pace so far, or None without a total or while the first steps still pay for the start."""
        worked = self.done - self._done_at_start
        if self.total is None or worked <= 0 or worked < (self.total - self._done_at_start) / 200:
            return None
        return (time.monotonic() - self._started_at) / worked * max(0, self.total - self.done)

    def _report(self, figures: dict[str, float]) -> None:
        left = self.seconds_left
        count = f"{self.done}/{self.total}" if self.total is not None else str(self.done)
        shown = "".join(f"  {name} {value:.4g}" for name, value in figures.items())
        wait = f"  {_clock(left)} left" if left is not None else ""
        print(f"{self.stage}  {self.unit} {count}{shown}{wait}", flush=True)
        self._emit({"stage": self.stage, "done": self.done, "total": self.total, "unit": self.unit,
                    "figures": figures, "seconds_left": left})

    def _emit(self, event: dict[str, object]) -> None:
        if not self._sink:
            return
        line = json.dumps({"at": time.time(), **event}) + "\n"
        try:
            with Path(self._sink).open("a", encoding="utf-8") as sink:
                sink.write(line)
        except OSError as error:  # watching must never stop the work
            print(f"progress events are not written to {self._sink}: {error}", file=sys.stderr)
            self._sink = None


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
