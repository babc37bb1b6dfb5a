"""What a model wrote so far, a line for each recording, on disk batch by batch: a later call goes on from there."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from evenvoice.locks import exclusive

ENDING = ".jsonl"


class Notebook:
    """Texts by recording, of one model and one corpus.

    A line that a crash tore is dropped, with whatever stands behind it.
    """

    def __init__(self, file: BinaryIO, about: Mapping[str, Any]) -> None:
        self.texts: dict[str, str] = {}
        self._file = file
        whole = self._read(dict(about))
        file.truncate(whole)
        file.seek(whole)
        if not whole:
            self._write([dict(about)])

    def add(self, texts: Mapping[str, str]) -> None:
        """Keep what was written of a batch."""
        self._write([{"utterance": key, "text": text} for key, text in texts.items()])
        self.texts |= texts

    def _read(self, about: dict[str, Any]) -> int:
        """Take in all whole lines, and return where they end; nothing where another thing is written about."""
        end = 0
        for number, line in enumerate(self._file):
            row = _parsed(line)
            if row is None or (number == 0 and row != about):
                break
            if number:
                if not (isinstance(row.get("utterance"), str) and isinstance(row.get("text"), str)):
                    break
                self.texts[row["utterance"]] = row["text"]
            end += len(line)
        return end

    def _write(self, rows: list[dict[str, Any]]) -> None:
        self._file.write("".join(json.dumps(row, sort_keys=True) + "\n" for row in rows).encode())
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def notebook(folder: Path, name: str, about: Mapping[str, Any]) -> Iterator[Notebook]:
    """Open the notebook about a model and a corpus, for this process alone.

    Args:
        name: of the model, for people; what tells notebooks apart is ``about``.

    Raises:
        WorkspaceError: another process writes in it.
    """
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]', '-', name)}-{digest}{ENDING}"
    with exclusive(path, wait=False), path.open("r+b") as file:
        yield Notebook(file, about)


def _parsed(line: bytes) -> dict[str, Any] | None:
    """None for what is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
