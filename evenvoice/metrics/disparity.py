"""How far cohorts lie apart: both gaps between bottom and top, and the spread beside that of random partitions.

Bottom and top were ranked on discover speakers, so the gap on other speakers is not inflated by picking the extremes of
the same numbers. The spread does pick extremes; what that alone gives is measured on random partitions.

Shapes: S speakers, C cohorts, P random partitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenvoice.metrics.bootstrap import (
    CELLS_AT_ONCE,
    HALF_AN_ERROR,
    Floats,
    Integers,
)
from evenvoice.metrics.dealing import DEALT_ALONE, Dealing


@dataclass(frozen=True)
class NullSpread:
    """Spread of random partitions of the same sizes."""

    mean: float
    high: float
    """95th percentile."""


def gap_over_bottom(gap: float) -> float:
    """The same difference over W_bottom; ``gap`` is over W_top. NaN where the bottom cohort made no errors."""
    return gap / (1 + gap) if gap > -1 else float("nan")


def spread(errors_C: Integers, words_C: Integers) -> float:
    """(max W - min W) / min W over cohorts with words; NaN with fewer than two of them."""
    measured_C = words_C > 0
    if np.count_nonzero(measured_C) < 2:
        return float("nan")
    return float(_spreads(errors_C[None, measured_C].astype(np.float64), words_C[None, measured_C])[0])


def _spreads(errors_PC: Floats, words_PC: NDArray[Any]) -> Floats:
    wer_PC = np.maximum(errors_PC, HALF_AN_ERROR) / words_PC
    lowest_P = wer_PC.min(axis=1)
    return np.asarray((wer_PC.max(axis=1) - lowest_P) / lowest_P)


def null_spreads(errors_SM: Integers, words_S: Integers, sizes_C: NDArray[np.intp], partitions: int,
                 rng: np.random.Generator) -> list[NullSpread]:
    """What chance gives each of M models: speakers shuffled into cohorts of the same sizes.

    Args:
        errors_SM: errors of the speakers that have a cohort and words.
        sizes_C: speakers per cohort, all positive, adding up to S; fewer than two have no spread.
    """
    if len(sizes_C) < 2:
        return [NullSpread(float("nan"), float("nan"))] * errors_SM.shape[1]
    if len(words_S) > DEALT_ALONE:
        return _null_spreads_of_many(errors_SM, words_S, sizes_C, partitions, rng)
    starts_C = np.concatenate([[0], np.cumsum(sizes_C)[:-1]])
    drawn = []
    for first in range(0, partitions, height := max(1, CELLS_AT_ONCE // len(words_S))):
        rows = min(height, partitions - first)
        order_PS = rng.permuted(np.tile(np.arange(len(words_S)), (rows, 1)), axis=1)
        words_PC = np.add.reduceat(words_S[order_PS], starts_C, axis=1)
        drawn.append([_spreads(np.add.reduceat(errors_S[order_PS], starts_C, axis=1).astype(np.float64), words_PC)
                      for errors_S in errors_SM.T])
    return [_null_spread(np.concatenate(chunks)) for chunks in zip(*drawn, strict=True)]


def _null_spreads_of_many(errors_SM: Integers, words_S: Integers, sizes_C: NDArray[np.intp], partitions: int,
                          rng: np.random.Generator) -> list[NullSpread]:
    """The same by blocks of speakers, who are dealt one by one once: blocks are of anybody."""
    dealing = Dealing(rng.permutation(np.repeat(np.arange(len(sizes_C)), sizes_C)),
                      np.column_stack([words_S, errors_SM]), len(sizes_C))
    counts_PCK = np.stack(list(dealing.deal(partitions, rng)))
    words_PC = counts_PCK[:, :, 0]
    return [_null_spread(_spreads(errors_PC, words_PC)) for errors_PC in np.moveaxis(counts_PCK[:, :, 1:], 2, 0)]


def _null_spread(spreads_P: Floats) -> NullSpread:
    return NullSpread(float(np.mean(spreads_P)), float(np.quantile(spreads_P, 0.95)))
