"""SpecAugment on a batch before it becomes a tensor.

Tensor names: B utterance, T frame, M mel band.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenvoice.training.settings import SpecAugment


def mask(features_BTM: NDArray[np.float32], *, frames: NDArray[np.int64], fill_M: NDArray[np.float32], hop_s: float,
         settings: SpecAugment, rng: np.random.Generator) -> None:
    """Overwrite random bands and stretches of each utterance in place.

    Args:
        features_BTM: padded log-mel features.
        frames: (B,) real frames; a time mask never covers more than a fifth of them, so short words stay audible.
        fill_M: what masked cells become: the corpus mean, which the model normalises to zero.
        hop_s: seconds per frame.
        settings: how many masks, and how large.
        rng: draws the same numbers whatever the lengths are.
    """
    batch, _, bands = features_BTM.shape
    widest_B = np.full(batch, min(settings.frequency_mask_bands, bands))
    longest_B = np.minimum(settings.time_mask_s / hop_s, frames // 5)
    low_BN, high_BN = _spans(rng, batch, settings.frequency_masks, widest_B, np.full(batch, bands))
    start_BN, stop_BN = _spans(rng, batch, settings.time_masks, longest_B, frames)
    for row in range(batch):
        for low, high in zip(low_BN[row], high_BN[row], strict=True):
            features_BTM[row, :, low:high] = fill_M[low:high]
        for start, stop in zip(start_BN[row], stop_BN[row], strict=True):
            features_BTM[row, start:stop] = fill_M


def _spans(rng: np.random.Generator, batch: int, masks: int, longest_B: NDArray[np.generic],
           available_B: NDArray[np.generic]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last (exclusive) index of each mask, of uniform length and place."""
    length_BN = (rng.random((batch, masks)) * (np.asarray(longest_B, float)[:, None] + 1)).astype(np.int64)
    room_BN = np.asarray(available_B, float)[:, None] - length_BN
    start_BN = (rng.random((batch, masks)) * (room_BN + 1)).astype(np.int64)
    return start_BN, start_BN + length_BN
