"""Streaming ContextNet (arXiv 2005.03191): separable causal convolutions, squeeze-and-excitation over the past.

Tensor names: B utterance, T frame, D channel.

Progressive downsampling is left out: all encoders here have one frame rate. Batch norm is LayerNorm, and the squeeze is
a running mean, as streaming demands.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from evenvoice.models.causal import DepthwiseConv, PastFrames, SqueezeExcite, SqueezeState
from evenvoice.models.shapes import ContextNetShape
from evenvoice.models.stack import Stack
from evenvoice.models.streaming import Layer


class SeparableConv(Layer[PastFrames]):
    """silu(norm(W conv(x)))."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.width = width
        self.conv = DepthwiseConv(width, kernel)
        self.mix = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.macs_per_frame = self.conv.macs_per_frame + width**2

    def initial_state(self, batch: int) -> PastFrames:
        """Return silence."""
        return self.conv.initial_state(batch)

    def step(self, chunk_BTD: Tensor, state: PastFrames) -> tuple[Tensor, PastFrames]:
        """Map (B, T, width) to (B, T, width)."""
        mixed_BTD, after = self.conv.step(chunk_BTD, state)
        return functional.silu(self.norm(self.mix(mixed_BTD))), after


@dataclass(frozen=True)
class ContextBlockState:
    """Memories of the convolutions and of the squeeze."""

    convolutions: tuple[PastFrames, ...]
    squeeze: SqueezeState


class ContextBlock(Layer[ContextBlockState]):
    """x + squeeze_excite(convolutions(norm(x)))."""

    def __init__(self, shape: ContextNetShape, dropout: float) -> None:
        super().__init__()
        self.width = shape.width
        self.norm = nn.LayerNorm(shape.width)
        self.convolutions = Stack([SeparableConv(shape.width, shape.kernel) for _ in range(shape.layers)])
        self.squeeze = SqueezeExcite(shape.width)
        self.dropout = nn.Dropout(dropout)
        self.macs_per_frame = self.convolutions.macs_per_frame + self.squeeze.macs_per_frame

    def initial_state(self, batch: int) -> ContextBlockState:
        """Return empty memories."""
        return ContextBlockState(self.convolutions.initial_state(batch), self.squeeze.initial_state(batch))

    def step(self, chunk_BTD: Tensor, state: ContextBlockState) -> tuple[Tensor, ContextBlockState]:
        """Map (B, T, width) to (B, T, width)."""
        mixed_BTD, convolutions = self.convolutions.step(self.norm(chunk_BTD), state.convolutions)
        scaled_BTD, squeeze = self.squeeze.step(mixed_BTD, state.squeeze)
        return chunk_BTD + self.dropout(scaled_BTD), ContextBlockState(convolutions, squeeze)


class ContextNet(Layer[tuple[ContextBlockState, ...]]):
    """A linear stem, blocks, a last LayerNorm."""

    def __init__(self, shape: ContextNetShape, *, inputs: int, dropout: float) -> None:
        super().__init__()
        self.width = shape.width
        self.stem = nn.Linear(inputs, shape.width)
        self.blocks = Stack([ContextBlock(shape, dropout) for _ in range(shape.blocks)])
        self.norm = nn.LayerNorm(shape.width)
        self.macs_per_frame = inputs * shape.width + self.blocks.macs_per_frame

    def initial_state(self, batch: int) -> tuple[ContextBlockState, ...]:
        """Return empty memories."""
        return self.blocks.initial_state(batch)

    def step(self, chunk_BTD: Tensor,
             state: tuple[ContextBlockState, ...]) -> tuple[Tensor, tuple[ContextBlockState, ...]]:
        """Map (B, T, inputs) to (B, T, width)."""
        mixed_BTD, after = self.blocks.step(self.stem(chunk_BTD), state)
        return self.norm(mixed_BTD), after
