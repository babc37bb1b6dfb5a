"""The strong trunk: ECAPA-TDNN (B. Desplanques et al., arXiv 2005.07143), with half the frames.

Three blocks see ever wider stretches of time through dilated convolutions in several scales (Res2Net), each weighs its
channels by what it heard of the whole recording (squeeze-excitation), and attentive pooling reads the outputs of all
of them. The first convolution has a stride of 2 [design]: half the cost of all that follows, at 20 ms per frame.

Shapes: B recordings, C channels, T frames.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.speakers.pooling import AttentiveStatistics, inside

STRIDE: Final = 2
DILATIONS: Final = (2, 3, 4)
SCALES: Final = 4
"""Parts of a block's channels, each of which hears the one before. The paper has 8 for 512 channels and more."""
SQUEEZED: Final = 4
"""How many times narrower squeeze-excitation and attention are than what they weigh."""


class _Normed(nn.Module):
    """Convolution, ReLU, batch norm; padding zero again behind them."""

    def __init__(self, before: int, after: int, kernel: int = 1, dilation: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(before, after, kernel, stride=stride, dilation=dilation,
                                     padding=dilation * (kernel - 1) // 2)
        self.norm = nn.BatchNorm1d(after)

    def forward(self, frames_BCT: Tensor, inside_B1T: Tensor) -> Tensor:
        normed_BCT: Tensor = self.norm(functional.relu(self.convolution(frames_BCT))) * inside_B1T
        return normed_BCT


class _Block(nn.Module):
    """SE-Res2Block, figure 2 of the paper."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        part = channels // SCALES
        self.before, self.after = _Normed(channels, channels), _Normed(channels, channels)
        self.parts = nn.ModuleList(_Normed(part, part, kernel=3, dilation=dilation) for _ in range(SCALES - 1))
        self.squeeze = nn.Linear(channels, channels // SQUEEZED)
        self.excite = nn.Linear(channels // SQUEEZED, channels)

    def forward(self, frames_BCT: Tensor, inside_B1T: Tensor) -> Tensor:
        first, *others = self.before(frames_BCT, inside_B1T).chunk(SCALES, dim=1)
        heard = [first]
        for layer, other in zip(self.parts, others, strict=True):
            heard.append(layer(other + heard[-1] if len(heard) > 1 else other, inside_B1T))
        inner_BCT = self.after(torch.cat(heard, dim=1), inside_B1T)
        mean_BC = inner_BCT.sum(dim=2) / inside_B1T.sum(dim=2)
        gain_BC = torch.sigmoid(self.excite(functional.relu(self.squeeze(mean_BC))))
        out_BCT: Tensor = frames_BCT + inner_BCT * gain_BC[:, :, None]
        return out_BCT


class EcapaTrunk(nn.Module):
    """Padding is set to zero before whatever looks along time, so that batching changes nothing in use.

    In training, batch norm knows the batch: crops there are equally long, and nothing is padding.
    """

    def __init__(self, n_mels: int, width: int) -> None:
        """``width`` must be a multiple of :data:`SCALES`."""
        super().__init__()
        self.first = _Normed(n_mels, width, kernel=5, stride=STRIDE)
        self.blocks = nn.ModuleList(_Block(width, dilation) for dilation in DILATIONS)
        together = width * len(DILATIONS)
        self.together = nn.Conv1d(together, together, 1)
        self.pooling = AttentiveStatistics(together, together // (2 * SQUEEZED))
        self.norm = nn.BatchNorm1d(2 * together)
        self.outputs = 2 * together

    def forward(self, frames_BCT: Tensor, lengths_B: Tensor) -> Tensor:
        """(B, ``outputs``); padding of ``frames_BCT`` must be zero."""
        lengths_B = torch.div(lengths_B + STRIDE - 1, STRIDE, rounding_mode="floor")
        inside_B1T = inside(lengths_B, (frames_BCT.shape[2] + STRIDE - 1) // STRIDE)
        frames_BCT = self.first(frames_BCT, inside_B1T)
        heard = []
        for block in self.blocks:
            frames_BCT = block(frames_BCT, inside_B1T)
            heard.append(frames_BCT)
        together_BCT = functional.relu(self.together(torch.cat(heard, dim=1)))
        pooled: Tensor = self.norm(self.pooling(together_BCT, inside_B1T))
        return pooled
