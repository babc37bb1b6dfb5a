"""A file that is being brought from elsewhere: its finished ranges survive a crash of whoever brings it.

``.<name>.part`` holds the bytes and ``.<name>.ranges`` says which of them are there, each with a checksum, so what a
power cut lost is fetched again. Both go when the file is whole.
"""

from __future__ import annotations

import fcntl
import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from evenvoice.errors import TransientError
from evenvoice.object_store.descriptions import Description

Span = tuple[int, int]
"""From and to before which byte."""


@dataclass
class PartialFile:
    """The file at ``path`` while it is incomplete."""

    path: Path
    described: Description
    descriptor: int
    part_bytes: int
    _done: dict[Span, int] = field(default_factory=dict)
    """Checksum by range."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    @contextmanager
    def open(cls, path: Path, described: Description, part_bytes: int) -> Iterator[PartialFile]:
        """Open what an earlier attempt left of the same version, or begin anew.

        Raises:
            TransientError: another process is at it.
        """
        draft = draft_of(path)
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _demand_alone(draft, descriptor)
            partial = cls(path, described, descriptor, part_bytes)
            partial._resume()
            yield partial
        finally:
            os.close(descriptor)

    @property
    def ranges(self) -> Path:
        """Lists the finished ranges under a line that names the version."""
        return self.path.with_name(f".{self.path.name}.ranges")

    def has(self, span: Span) -> bool:
        """Tell whether a range was fetched before and is still on the disk as it was."""
        expected = self._done.get(span)
        return expected is not None and expected == zlib.crc32(os.pread(self.descriptor, span[1] - span[0], span[0]))

    def add(self, span: Span, crc32: int) -> None:
        """Remember a range as fetched."""
        with self._lock, self.ranges.open("a", encoding="ascii") as file:
            file.write(f"{span[0]} {span[1]} {crc32}\n")

    def forget(self) -> None:
        """Begin anew."""
        self._done.clear()
        os.ftruncate(self.descriptor, 0)
        self.ranges.write_text(self._title(), encoding="ascii")

    def finish(self) -> None:
        """Flush the bytes and let them take the file's place."""
        os.fsync(self.descriptor)
        draft_of(self.path).rename(self.path)
        self.ranges.unlink(missing_ok=True)
        parent = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)

    def _resume(self) -> None:
        lines = self.ranges.read_text(encoding="ascii").splitlines(keepends=True) if self.ranges.exists() else []
        if not lines or lines[0] != self._title():
            self.forget()
            return
        for line in lines[1:]:
            numbers = line.split()
            if line.endswith("\n") and len(numbers) == 3:  # a crash may have cut the last line
                self._done[int(numbers[0]), int(numbers[1])] = int(numbers[2])

    def _title(self) -> str:
        return f"{self.described.etag} {self.described.bytes} {self.part_bytes}\n"


def draft_of(path: Path) -> Path:
    """Where the bytes lie until the file is whole."""
    return path.with_name(f".{path.name}.part")


def _demand_alone(draft: Path, descriptor: int) -> None:
    """Lock the draft, and see that it was not renamed by somebody who finished in between."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = draft.exists() and draft.stat().st_ino == os.fstat(descriptor).st_ino
    except BlockingIOError:
        alone = False
    if not alone:
        raise TransientError(name=str(draft), rule="be written by one process at a time", value="another one",
                             action="Try again when it has finished.")
