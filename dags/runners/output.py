"""A job's log, read while it grows: a file, so that it outlives whoever follows the job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


class Output:
    """What stands in a log behind ``position``, line by line; the log need not exist yet."""

    def __init__(self, log: Path, position: int, show: Callable[[str], None]) -> None:
        self.lines: list[str] = []
        """All that was shown."""
        self._log = log
        self._position = position
        self._rest = b""
        self._show = show

    def pass_on(self) -> None:
        """Show every line that was completed since the last call."""
        if not self._log.exists():
            return
        with self._log.open("rb") as file:
            file.seek(self._position)
            content = file.read()
        self._position += len(content)
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            self.add(line)

    def finish(self) -> None:
        """Show the rest, now that the job has ended; its last line may lack the line break."""
        self.pass_on()
        if self._rest:
            self.add(self._rest)
            self._rest = b""

    def add(self, line: bytes) -> None:
        """Show one line, wherever it comes from."""
        text = line.rstrip(b"\r").decode("utf-8", errors="replace")
        self.lines.append(text)
        self._show(text)
