"""The append-only record of every move of the champion: JSON lines, each carrying the hash of the line before.

A move is two lines, ``intent`` before the alias is set and ``done`` after it, so a crash in between is visible and the
next command settles it: as ``done`` when the alias did move, as ``abandoned`` when it did not. The hash of the newest
line is also kept as a tag in MLflow (the anchor), so cutting lines off the end shows too.

A line counts once its newline is on the disk; what a crash left of a line without one is cut off before the next.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from evenvoice.errors import TrackingError

FIRST: Final = "0" * 64
"""What the first line carries in place of a previous hash."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """A wish to point the champion alias at another version."""

    action: str
    """``promote`` or ``rollback``."""
    origin: int | None
    """The champion that is expected to stand, None when there is none."""
    target: int
    by: str
    """``gate``, or the person who decided."""
    reason: str
    run: str
    """DAG run that asked for it."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Figures the decision rests on."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the record."""

    sequence: int
    at: str
    event: str
    """``intent``, ``done`` or ``abandoned``."""
    move: Move
    previous: str

    def line(self) -> bytes:
        """The line as written, without its newline."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @property
    def digest(self) -> str:
        """SHA-256 of the line."""
        return hashlib.sha256(self.line()).hexdigest()


class Trail:
    """The record as read and verified; whoever appends holds the registry's lock."""

    def __init__(self, path: Path, entries: list[Entry]) -> None:
        self._path = path
        self._entries = entries

    @classmethod
    def read(cls, path: Path) -> Trail:
        """Read and verify the whole record; a record that does not exist yet is empty.

        Raises:
            TrackingError: a line is unreadable or does not follow from the one before.
        """
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        entries: list[Entry] = []
        for number, line in enumerate(whole.splitlines(), start=1):
            expected = entries[-1].digest if entries else FIRST
            entries.append(_parse(line, number, expected, path))
        return cls(path, entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every line, oldest first."""
        return tuple(self._entries)

    @property
    def head(self) -> str:
        """Hash of the newest line."""
        return self._entries[-1].digest if self._entries else FIRST

    @property
    def unsettled(self) -> Move | None:
        """The move whose intent is the last word, so nobody knows whether the alias was set."""
        newest = self._entries[-1] if self._entries else None
        return newest.move if newest is not None and newest.event == "intent" else None

    def check_anchor(self, anchor: str | None) -> None:
        """Compare with the hash that MLflow keeps; a crash may leave it behind, but never ahead.

        Raises:
            TrackingError: the record no longer holds the line that MLflow remembers.
        """
        if anchor is not None and anchor not in {entry.digest for entry in self._entries}:
            raise TrackingError(name=f"the audit record {self._path}", rule=f"hold the line with hash {anchor}",
                                value=f"{len(self._entries)} lines without it",
                                action="Lines were cut off or replaced: restore the file from a backup.")

    def champions(self) -> list[int]:
        """The versions behind today's champion, oldest first, champion last; a rollback takes the last one off."""
        stack: list[int] = []
        for entry in self._entries:
            if entry.event != "done":
                continue
            move = entry.move
            if move.action == "rollback":
                stack.pop()
                continue
            if move.origin is not None and (not stack or stack[-1] != move.origin):
                stack.append(move.origin)  # a champion that was set outside evenvoice
            stack.append(move.target)
        return stack

    def append(self, event: str, move: Move) -> Entry:
        """Add one line and flush it to the disk."""
        entry = Entry(sequence=len(self._entries) + 1, at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                      event=event, move=move, previous=self.head)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            file.seek(sum(len(known.line()) + 1 for known in self._entries))
            file.truncate()
            file.write(entry.line() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._entries.append(entry)
        return entry


def _parse(line: bytes, number: int, expected: str, path: Path) -> Entry:
    try:
        content = json.loads(line)
        entry = Entry(**{**content, "move": Move(**content["move"])})
    except (ValueError, TypeError, KeyError) as error:
        raise _broken(path, number, "be an entry", f"{type(error).__name__}: {error}") from error
    if entry.line() != line:
        raise _broken(path, number, "be written the way evenvoice writes", "other spacing or order")
    if entry.previous != expected or entry.sequence != number:
        raise _broken(path, number, f"be number {number} and follow {expected}",
                      f"number {entry.sequence} following {entry.previous}")
    return entry


def _broken(path: Path, number: int, rule: str, value: str) -> TrackingError:
    return TrackingError(name=f"the audit record {path}, line {number}", rule=rule, value=value,
                         action="The record was altered: restore it from a backup before moving the champion.")
