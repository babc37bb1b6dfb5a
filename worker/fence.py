"""Who may speak for a stage: the worker that began last.

    <root>/runs/<run>/owners/<stage>     identity of that worker

A node that is cut off goes on working, while another one has the stage already. When it is back, its worker finds
another identity, ends its stage, and copies and publishes nothing more.
"""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from evenvoice.errors import EvenvoiceError, TransientError
from evenvoice.object_store import ObjectStore

LOOK_EVERY_S: Final = 15.0
IDENTITY: Final = "EVENVOICE_POD"
"""Variable with the uid of the pod; elsewhere a worker makes up its own identity."""


class Fence:
    """Around one worker's work on a stage, or on a share of it."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        self._store = store
        self._name = name
        self._own = os.environ.get(IDENTITY) or secrets.token_hex(16)

    def take(self) -> None:
        """Speak for the stage from now on; whoever did before ends."""
        self._store.write(self._key, self._own.encode())

    def holds(self) -> bool:
        """Whether nobody else has taken the stage."""
        return self._store.read(self._key) == self._own.encode()

    def demand(self) -> None:
        """Stand before what must not be done twice.

        Raises:
            TransientError: another worker has taken the stage.
        """
        if not self.holds():
            raise self._taken()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look again and again while the block runs in the main thread, which :meth:`demand` ends by its error.

        A store that does not answer ends nothing: without it nothing can be published either.
        """
        over = threading.Event()

        def watch() -> None:
            while not over.wait(LOOK_EVERY_S):
                if self._is_lost():
                    os.kill(os.getpid(), signal.SIGUSR1)
                    return

        before = signal.signal(signal.SIGUSR1, self._end)
        thread = threading.Thread(target=watch, name="fence", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            signal.signal(signal.SIGUSR1, before)

    def _is_lost(self) -> bool:
        try:
            return not self.holds()
        except EvenvoiceError:
            return False

    def _end(self, _kind: int, _frame: FrameType | None) -> None:
        raise self._taken()

    def _taken(self) -> TransientError:
        return TransientError(name=f"this worker of {self._name}", rule="be the last one that began",
                              value="another one in its place",
                              action="It ends here, and copies and publishes nothing more.")

    @property
    def _key(self) -> str:
        return f"owners/{self._name}"
