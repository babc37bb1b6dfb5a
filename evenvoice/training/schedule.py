"""Learning rate and random seeds as functions of the step alone.

Nothing of either has to be remembered, so a resumed training cannot continue with the wrong one.
"""

from __future__ import annotations

import math

import numpy as np

INITIAL_SHARE = 1 / 25
"""Of the peak, where the cycle begins."""
FINAL_SHARE = 1 / 1000
"""Of the peak, where it ends."""


def one_cycle(step: int, *, steps: int, peak: float, warmup_share: float) -> float:
    """Learning rate of ``step`` (from 0): a cosine up to ``peak``, then a cosine down.

    L. Smith and N. Topin, "Super-Convergence", 2017, with the shares of the peak above at both ends.
    """
    warmup = warmup_share * steps
    if step < warmup:
        return _cosine(INITIAL_SHARE * peak, peak, step / warmup)
    return _cosine(peak, FINAL_SHARE * peak, (step - warmup) / max(1.0, steps - 1 - warmup))


def risen(step: int, *, steps: int, share: float) -> float:
    """What has become, in ``step`` (from 0), of something that rises evenly to 1 over this share of the steps."""
    return min(1.0, (step + 1) / max(1.0, share * steps))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(1.0, share))) / 2


def step_seed(seed: int, *, step: int, rank: int, purpose: int) -> int:
    """A 63-bit seed for one purpose of one step of one process, independent of all the others."""
    return int(np.random.SeedSequence([seed, purpose, step, rank]).generate_state(1, np.uint64)[0] >> 1)
