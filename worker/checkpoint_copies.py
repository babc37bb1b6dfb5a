"""Checkpoints outlive the pod that wrote them: each new one is copied to the exchange, and brought back at start.

A checkpoint is a generation-* directory whose marker, written last, holds the hashes of its files (see
evenvoice/training/checkpoints.py). Two places in the store are used in turn, and a small index names the one that is
whole; so the cost is two checkpoints of space, and one upload per checkpoint, only of the latest when they come faster
than they can be sent.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from evenvoice.errors import ArtifactError, EvenvoiceError
from evenvoice.object_store import ObjectStore
from evenvoice.storage import read_json, sha256, write_json

LOOK_EVERY_S: Final = 2.0
MARKER: Final = "complete.json"
PLACES: Final = 2


@dataclass(frozen=True)
class _Copy:
    """A checkpoint in the store."""

    directory: str
    """Relative to the directory of all checkpoints."""
    place: int
    hashes: dict[str, str]


class CheckpointCopies:
    """The copies of one stage's checkpoints.

    Args:
        store: where they go, of one run.
        stage: whose they are.
        directory: where training keeps them here; made when there is something to bring back.
        may_copy: asked before each object is written; another worker may have taken the stage.
    """

    def __init__(self, store: ObjectStore, stage: str, directory: Path, may_copy: Callable[[], bool]) -> None:
        self._store = store
        self._may_copy = may_copy
        self._prefix = f"checkpoints/{stage}"
        self._directory = directory
        self._latest: _Copy | None = None

    def restore(self) -> None:
        """Bring back the latest checkpoint, if there is one.

        Raises:
            ArtifactError: it is not as it was written.
        """
        self._latest = self._read_index()
        if self._latest is None:
            return
        target = self._directory / self._latest.directory
        for name, expected in self._latest.hashes.items():
            key = self._key(self._latest.place, name)
            self._store.download(key, target / name)
            if sha256(target / name) != expected:
                shutil.rmtree(target)
                raise ArtifactError(name=self._store.url(key), rule=f"have the SHA-256 {expected[:12]}",
                                    value="another content", action=f"Delete {self._store.url(self._index)} to train "
                                                                    "from the beginning.")
        write_json(target / MARKER, self._latest.hashes)
        print(f"training goes on from {self._latest.directory}", flush=True)

    @contextmanager
    def following(self) -> Iterator[None]:
        """Copy each checkpoint that is written while the block runs."""
        over = threading.Event()

        def follow() -> None:
            while not over.wait(LOOK_EVERY_S):
                self.copy_latest()

        thread = threading.Thread(target=follow, name="checkpoint copies", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def copy_latest(self) -> None:
        """Copy the newest checkpoint unless that was done; training goes on whether the store answers or not."""
        found = sorted(self._directory.glob(f"*/*/generation-*/{MARKER}"), key=lambda path: path.stat().st_mtime_ns)
        if not found:
            return
        try:
            self._copy(found[-1].parent)
        except FileNotFoundError:
            return  # training dropped it for a newer one, which is copied next
        except EvenvoiceError as error:
            print(f"checkpoint {found[-1].parent.name} is not copied yet: {error}", flush=True)

    def _copy(self, generation: Path) -> None:
        directory = generation.relative_to(self._directory).as_posix()
        hashes: dict[str, str] = read_json(generation / MARKER)
        if self._latest and (self._latest.directory, self._latest.hashes) == (directory, hashes):
            return
        copy = _Copy(directory, (self._latest.place + 1) % PLACES if self._latest else 0, hashes)
        for name in hashes:
            if not self._may_copy():
                return
            self._store.upload(generation / name, self._key(copy.place, name))
        if not self._may_copy():
            return
        self._store.write(self._index, json.dumps(vars(copy), sort_keys=True).encode())
        self._latest = copy

    def _read_index(self) -> _Copy | None:
        if not self._store.exists(self._index):
            return None
        content: Any = json.loads(self._store.read(self._index))
        return _Copy(**content)

    @property
    def _index(self) -> str:
        return f"{self._prefix}/latest.json"

    def _key(self, place: int, name: str) -> str:
        return f"{self._prefix}/{place}/{name}"
