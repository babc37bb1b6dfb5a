"""What a pod fetched from the store and sent there, counted at the one door through which it goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from evenvoice.object_store import Address, ObjectStore
from evenvoice.progress import Progress


@dataclass
class Traffic:
    """Objects whose content went through; threads count here at once."""

    fetched: int = 0
    fetched_bytes: int = 0
    sent: int = 0
    sent_bytes: int = 0
    seconds: float = 0.0
    """In which at least one of them was under way."""
    _under_way: int = 0
    _began: float = 0.0
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def told(self, stage: str) -> Iterator[None]:
        """Say at the end of the block what went through."""
        try:
            yield
        finally:
            Progress(stage).measured(fetched_objects=self.fetched, fetched_mb=self.fetched_bytes / 1e6,
                                     sent_objects=self.sent, sent_mb=self.sent_bytes / 1e6, transfer_s=self.seconds)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the seconds of the block, once where several are under way."""
        with self._guard:
            if self._under_way == 0:
                self._began = time.monotonic()
            self._under_way += 1
        try:
            yield
        finally:
            with self._guard:
                self._under_way -= 1
                if self._under_way == 0:
                    self.seconds += time.monotonic() - self._began

    def count_fetched(self, size: int) -> None:
        """Add an object of so many bytes."""
        with self._guard:
            self.fetched += 1
            self.fetched_bytes += size

    def count_sent(self, size: int) -> None:
        """Add an object of so many bytes."""
        with self._guard:
            self.sent += 1
            self.sent_bytes += size


@dataclass(frozen=True, slots=True)
class CountedStore(ObjectStore):
    """A store of which everything is counted that goes through by the methods that the worker uses."""

    traffic: Traffic

    @classmethod
    def counted(cls, url: str, traffic: Traffic) -> CountedStore:
        """Name a place as :meth:`ObjectStore.at` does."""
        return cls(Address.parse(url), traffic)

    def read(self, key: str) -> bytes:
        with self.traffic.timed():
            content = ObjectStore.read(self, key)
        self.traffic.count_fetched(len(content))
        return content

    def write(self, key: str, content: bytes) -> None:
        with self.traffic.timed():
            ObjectStore.write(self, key, content)
        self.traffic.count_sent(len(content))

    def create(self, key: str, content: bytes) -> None:
        with self.traffic.timed():
            ObjectStore.create(self, key, content)
        self.traffic.count_sent(len(content))

    def upload(self, path: Path, key: str) -> None:
        with self.traffic.timed():
            ObjectStore.upload(self, path, key)
        self.traffic.count_sent(path.stat().st_size)

    def download(self, key: str, path: Path) -> None:
        with self.traffic.timed():
            ObjectStore.download(self, key, path)
        self.traffic.count_fetched(path.stat().st_size)
