"""The next batch, made by a thread while the present one is trained on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.batches import BatchStream, BatchStreamState
from evenvoice.training.objective import Batch

Make = Callable[[NDArray[np.int64], int], Batch]
"""From recordings and the number of the step to the batch."""


class Ahead:
    """Takes the batches of a stream in order and always works on one more; close it when no more are wanted.

    Args:
        stream: what is drawn; from here on only this object may touch it.
        make: called in the thread. Batches are the same as if it were called without one.
    """

    def __init__(self, stream: BatchStream, make: Make) -> None:
        self._stream, self._make = stream, make
        self._state = stream.state_dict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._coming: Future[tuple[Batch, BatchStreamState]] | None = None

    def next(self, step: int) -> Batch:
        """Return the batch of ``step`` and begin with that of the one after."""
        coming = self._coming or self._thread.submit(self._draw, step)
        batch, self._state = coming.result()
        self._coming = self._thread.submit(self._draw, step + 1)
        return batch

    def state_dict(self) -> BatchStreamState:
        """Where the stream stood after the batch that was returned last."""
        return self._state

    def load_state_dict(self, state: BatchStreamState) -> None:
        """Go on behind the batch after which ``state`` was taken."""
        if self._coming is not None:
            self._coming.result()
            self._coming = None
        self._stream.load_state_dict(state)
        self._state = state

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _draw(self, step: int) -> tuple[Batch, BatchStreamState]:
        batch = self._make(next(self._stream), step)
        return batch, self._stream.state_dict()
