"""The light trunk: three convolutions along time, then mean and standard deviation.

Shapes: B recordings, C channels, T frames.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.speakers.pooling import inside, statistics

KERNELS_AND_STRIDES: Final = ((5, 3), (3, 2), (3, 1))
"""Striding first keeps the later layers cheap: one frame per 60 ms at a hop of 10 ms."""


class ConvTrunk(nn.Module):
    """Padding is set to zero after every layer, so that nothing depends on what a recording is batched with."""

    def __init__(self, n_mels: int, width: int) -> None:
        super().__init__()
        channels = [n_mels] + [width] * len(KERNELS_AND_STRIDES)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, kernel, stride=stride, padding=kernel // 2)
            for (before, after), (kernel, stride) in zip(pairwise(channels), KERNELS_AND_STRIDES, strict=True))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in KERNELS_AND_STRIDES)
        self.outputs = 2 * width

    def forward(self, frames_BCT: Tensor, lengths_B: Tensor) -> Tensor:
        """(B, ``outputs``); padding of ``frames_BCT`` must be zero."""
        inside_B1T = inside(lengths_B, frames_BCT.shape[2])
        for convolution, norm, (_, stride) in zip(self.convolutions, self.norms, KERNELS_AND_STRIDES, strict=True):
            frames_BCT = norm(convolution(frames_BCT).transpose(1, 2)).transpose(1, 2)
            lengths_B = torch.div(lengths_B + stride - 1, stride, rounding_mode="floor")
            inside_B1T = inside(lengths_B, frames_BCT.shape[2])
            frames_BCT = functional.relu(frames_BCT) * inside_B1T
        return statistics(frames_BCT, inside_B1T / lengths_B[:, None, None])
