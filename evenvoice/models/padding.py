"""Recordings of different lengths as one tensor, in training and decoding alike.

Tensor names: B utterance, T frame, M mel band.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Padded(NamedTuple):
    """A padded batch."""

    features_BTM: Tensor
    frame_lengths_B: Tensor


def pad_features(recordings: Sequence[NDArray[np.floating]], *, fill_M: NDArray[np.float32],
                 least_frames: int, padded_frames: int = 0) -> Padded:
    """Copy (frames, n_mels) arrays of any float type into float32, with ``fill_M`` behind them.

    A recording shorter than ``least_frames`` counts its filling as its own up to there, so that an encoder which
    needs so many frames for its first one has something to say about every recording. The batch is as long as its
    longest recording, and at least ``padded_frames``.
    """
    lengths = [max(len(recording), least_frames) for recording in recordings]
    features_BTM = np.empty((len(recordings), max(*lengths, padded_frames), len(fill_M)), np.float32)
    for row, recording in enumerate(recordings):
        features_BTM[row, :len(recording)] = recording
        features_BTM[row, len(recording):] = fill_M
    return Padded(torch.from_numpy(features_BTM), torch.tensor(lengths))
