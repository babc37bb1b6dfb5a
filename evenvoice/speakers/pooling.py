"""Frames of a recording to one vector, over the frames that are not padding.

Shapes: B recordings, C channels, T frames.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

MIN_VARIANCE: Final = 1e-5


def inside(lengths_B: Tensor, frames: int) -> Tensor:
    """(B, 1, T) of ones where a recording has a frame, zeros where it is padded."""
    places_T = torch.arange(frames, device=lengths_B.device)
    return (places_T < lengths_B[:, None]).to(torch.get_default_dtype())[:, None]


def statistics(frames_BCT: Tensor, weights_B1T: Tensor) -> Tensor:
    """Weighted mean and standard deviation (B, 2C); weights (B, 1 or C, T) that add up to 1 along T."""
    mean_BC = (frames_BCT * weights_B1T).sum(dim=2)
    variance_BC = (frames_BCT.square() * weights_B1T).sum(dim=2) - mean_BC.square()
    return torch.cat([mean_BC, variance_BC.clamp_min(MIN_VARIANCE).sqrt()], dim=1)


class AttentiveStatistics(nn.Module):
    """Mean and standard deviation with a weight for each channel and frame, which sees the whole recording.

    B. Desplanques et al., "ECAPA-TDNN", 2020, section 3.1: the attention's input is a frame beside the mean and the
    deviation of all frames.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.frame = nn.Conv1d(channels, hidden, 1)
        self.context = nn.Linear(2 * channels, hidden)  # the same for all frames, so it is computed once
        self.weight = nn.Conv1d(hidden, channels, 1)

    def forward(self, frames_BCT: Tensor, inside_B1T: Tensor) -> Tensor:
        """(B, 2C)."""
        everything_B2C = statistics(frames_BCT, inside_B1T / inside_B1T.sum(dim=2, keepdim=True))
        hidden_BHT = torch.tanh(self.frame(frames_BCT) + self.context(everything_B2C)[:, :, None])
        scores_BCT = self.weight(hidden_BHT).masked_fill(inside_B1T == 0, -torch.inf)
        return statistics(frames_BCT, scores_BCT.softmax(dim=2))
