"""ConvRNN-T (arXiv 2209.14868): causal convolutions, local and global, side by side in front of LSTMs.

Tensor names: B utterance, T frame, D channel.

The local branch correlates frames near one another; the global one, by dilation and by squeeze-and-excitation over
everything so far, tells each frame what it is part of. The squeeze is a running mean, so both stream. The published
text leaves much open: kernel sizes, widths, residuals and norms are this project's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.models.causal import Conv, DepthwiseConv, PastFrames, SqueezeExcite, SqueezeState
from evenvoice.models.lstm import LstmStack, LstmState
from evenvoice.models.shapes import ConvRnntShape
from evenvoice.models.stack import Stack
from evenvoice.models.streaming import Layer


class LocalLayer(Layer[PastFrames]):
    """x + silu(conv(norm(x)))."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.norm = nn.LayerNorm(width)
        self.conv = Conv(width, width, kernel)
        self.dropout = nn.Dropout(dropout)
        self.macs_per_frame = self.conv.macs_per_frame

    def initial_state(self, batch: int) -> PastFrames:
        """Return silence."""
        return self.conv.initial_state(batch)

    def step(self, chunk_BTD: Tensor, state: PastFrames) -> tuple[Tensor, PastFrames]:
        """Map (B, T, width) to (B, T, width)."""
        mixed_BTD, after = self.conv.step(self.norm(chunk_BTD), state)
        return chunk_BTD + self.dropout(functional.silu(mixed_BTD)), after


@dataclass(frozen=True)
class GlobalState:
    """Memories of the convolution and of the squeeze."""

    conv: PastFrames
    squeeze: SqueezeState


class GlobalBlock(Layer[GlobalState]):
    """x + squeeze_excite(W2 silu(dilated_conv(W1 norm(x)))), W1 twice as wide."""

    def __init__(self, width: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.conv = DepthwiseConv(2 * width, kernel, dilation)
        self.contract = nn.Linear(2 * width, width)
        self.squeeze = SqueezeExcite(width)
        self.dropout = nn.Dropout(dropout)
        self.macs_per_frame = 4 * width**2 + self.conv.macs_per_frame + self.squeeze.macs_per_frame

    def initial_state(self, batch: int) -> GlobalState:
        """Return silence and nothing heard."""
        return GlobalState(self.conv.initial_state(batch), self.squeeze.initial_state(batch))

    def step(self, chunk_BTD: Tensor, state: GlobalState) -> tuple[Tensor, GlobalState]:
        """Map (B, T, width) to (B, T, width)."""
        mixed_BTD, conv = self.conv.step(self.expand(self.norm(chunk_BTD)), state.conv)
        scaled_BTD, squeeze = self.squeeze.step(self.contract(functional.silu(mixed_BTD)), state.squeeze)
        return chunk_BTD + self.dropout(scaled_BTD), GlobalState(conv, squeeze)


@dataclass(frozen=True)
class ConvRnntState:
    """Memories of both branches and of the LSTMs."""

    branches: tuple[Any, ...]
    lstm: LstmState


class ConvRnnt(Layer[ConvRnntState]):
    """Stem, the branches that have layers, a linear layer over both, LSTMs."""

    def __init__(self, shape: ConvRnntShape, *, inputs: int, dropout: float) -> None:
        super().__init__()
        self.width, channels = shape.lstm_width, shape.channels
        self.stem = nn.Linear(inputs, channels)
        local = [LocalLayer(channels, shape.local_kernel, dropout) for _ in range(shape.local_layers)]
        wide = [GlobalBlock(channels, shape.global_kernel, 2**i, dropout) for i in range(shape.global_blocks)]
        self.branches = nn.ModuleList(Stack(layers) for layers in (local, wide) if layers)
        self.join = nn.Linear(channels * len(self.branches), shape.lstm_width)
        self.lstm = LstmStack(inputs=shape.lstm_width, width=shape.lstm_width, layers=shape.lstm_layers,
                              dropout=dropout)
        self.macs_per_frame = (inputs * channels + sum(branch.macs_per_frame for branch in self._branches())
                               + self.join.in_features * shape.lstm_width + self.lstm.macs_per_frame)

    def initial_state(self, batch: int) -> ConvRnntState:
        """Return empty memories."""
        return ConvRnntState(tuple(branch.initial_state(batch) for branch in self._branches()),
                             self.lstm.initial_state(batch))

    def step(self, chunk_BTD: Tensor, state: ConvRnntState) -> tuple[Tensor, ConvRnntState]:
        """Map (B, T, inputs) to (B, T, width)."""
        stem_BTD = self.stem(chunk_BTD)
        said = [branch.step(stem_BTD, before) for branch, before in zip(self._branches(), state.branches, strict=True)]
        joined_BTD = self.join(torch.cat([output_BTD for output_BTD, _ in said], dim=2))
        output_BTD, lstm = self.lstm.step(joined_BTD, state.lstm)
        return output_BTD, ConvRnntState(tuple(after for _, after in said), lstm)

    def _branches(self) -> list[Stack]:
        return [branch for branch in self.branches if isinstance(branch, Stack)]
