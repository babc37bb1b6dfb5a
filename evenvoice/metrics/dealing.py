"""Speakers dealt anew to cells whose sizes stay, as often as a test by chance needs: in blocks where they are many.

A block is some speakers of one cell. Blocks of equal size change places, and their speakers with them, so cells keep
their sizes and every count stays with its speaker. Shuffling blocks is a part of all shufflings of speakers, and one
that knows nothing of counts: a test against it is as exact as against all of them (permutation tests over a subgroup,
E. L. Lehmann and J. P. Romano, Testing Statistical Hypotheses, 2005, ch. 15.2), but a thousand times a million
speakers need not be moved.

Shapes: S speakers, C cells, K counts of each speaker, B blocks, P dealings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

DEALT_ALONE: Final = 10_000
"""Speakers that are dealt one by one; of more, about as many blocks of the largest size."""
SHARE_OF_EACH_SIZE: Final = 0.1
"""As many smaller blocks of each size, relative to the largest: those of a small cell need others to change places
with."""

Floats = NDArray[np.float64]


class Dealing:
    """Counts of cells when chance deals the speakers.

    Args:
        cell_S: the cell of each speaker.
        counts_SK: what goes with them.
        cells: how many there are.
    """

    def __init__(self, cell_S: NDArray[np.intp], counts_SK: NDArray[Any], cells: int) -> None:
        self._cells = cells
        order_S = np.argsort(cell_S, kind="stable")
        sizes_B, cell_B = _blocks(np.bincount(cell_S, minlength=cells), _largest_block(len(cell_S)))
        counts_BK = np.add.reduceat(counts_SK[order_S], np.cumsum(sizes_B) - sizes_B, axis=0) if len(sizes_B) else (
            counts_SK[:0])
        by_size_B = np.argsort(sizes_B, kind="stable")
        self._counts_BK = counts_BK[by_size_B].astype(np.float64)
        self._alike = np.split(cell_B[by_size_B], np.flatnonzero(np.diff(sizes_B[by_size_B])) + 1)

    @property
    def blocks(self) -> int:
        """That change places."""
        return len(self._counts_BK)

    def deal(self, times: int, rng: np.random.Generator) -> Iterator[Floats]:
        """Yield the counts of the cells (C, K), so many times."""
        for _ in range(times):
            dealt_B = np.concatenate([rng.permutation(cell_B) for cell_B in self._alike])
            yield np.column_stack([np.bincount(dealt_B, counts_B, self._cells) for counts_B in self._counts_BK.T])


def _largest_block(speakers: int) -> int:
    """A power of two; 1 where everyone is dealt alone."""
    return 1 << max(0, int(np.ceil(np.log2(max(speakers, 1) / DEALT_ALONE))))


def _blocks(sizes_C: NDArray[np.intp], largest: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Size and cell (B,) of each: of every size its share, of the largest what is left, and halves of what is over."""
    size_L = largest >> np.arange(largest.bit_length())
    many_CL = np.zeros((len(sizes_C), len(size_L)), dtype=np.intp)
    many_CL[:, 1:] = (int(SHARE_OF_EACH_SIZE * DEALT_ALONE) * sizes_C // max(1, int(sizes_C.sum())))[:, None]
    left_C = sizes_C - many_CL @ size_L
    for column, size in enumerate(size_L):
        more_C, left_C = np.divmod(left_C, size)
        many_CL[:, column] += more_C
    return (np.repeat(np.tile(size_L, len(sizes_C)), many_CL.ravel()),
            np.repeat(np.arange(len(sizes_C)), many_CL.sum(axis=1)))
