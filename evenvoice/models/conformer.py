"""Streaming Conformer (arXiv 2005.08100): causal convolution, attention to a bounded window of the past.

Tensor names: B utterance, T frame, D channel.

A block is x + half a feed-forward, attention, convolution, half a feed-forward, each behind its own LayerNorm. Batch
norm, whose statistics run over time and padding, is LayerNorm here.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from evenvoice.models.attention import AttentionState, PastAttention
from evenvoice.models.causal import DepthwiseConv, PastFrames
from evenvoice.models.feed_forward import FeedForward
from evenvoice.models.shapes import ConformerShape
from evenvoice.models.stack import Stack
from evenvoice.models.stem import StemState, built_stem
from evenvoice.models.streaming import Layer

HALF = 0.5


class ConvModule(Layer[PastFrames]):
    """x + W2 silu(norm(conv(glu(W1 norm(x)))))."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.conv = DepthwiseConv(width, kernel)
        self.conv_norm = nn.LayerNorm(width)
        self.contract = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.macs_per_frame = 3 * width**2 + self.conv.macs_per_frame

    def initial_state(self, batch: int) -> PastFrames:
        """Return silence."""
        return self.conv.initial_state(batch)

    def step(self, chunk_BTD: Tensor, state: PastFrames) -> tuple[Tensor, PastFrames]:
        """Map (B, T, width) to (B, T, width)."""
        mixed_BTD, after = self.conv.step(functional.glu(self.expand(self.norm(chunk_BTD))), state)
        said_BTD = self.contract(functional.silu(self.conv_norm(mixed_BTD)))
        return chunk_BTD + self.dropout(said_BTD), after


@dataclass(frozen=True)
class BlockState:
    """Memories of attention and convolution."""

    attention: AttentionState
    conv: PastFrames


class ConformerBlock(Layer[BlockState]):
    """Feed-forward, attention, convolution, feed-forward, LayerNorm."""

    def __init__(self, shape: ConformerShape, dropout: float) -> None:
        super().__init__()
        self.width = shape.width
        self.first = FeedForward(shape.width, shape.expansion, dropout, HALF)
        self.attention = PastAttention(shape.width, shape.heads, shape.window, dropout)
        self.conv = ConvModule(shape.width, shape.kernel, dropout)
        self.second = FeedForward(shape.width, shape.expansion, dropout, HALF)
        self.norm = nn.LayerNorm(shape.width)
        self.macs_per_frame = (self.first.macs_per_frame + self.attention.macs_per_frame + self.conv.macs_per_frame
                               + self.second.macs_per_frame)

    def initial_state(self, batch: int) -> BlockState:
        """Return empty memories."""
        return BlockState(self.attention.initial_state(batch), self.conv.initial_state(batch))

    def step(self, chunk_BTD: Tensor, state: BlockState) -> tuple[Tensor, BlockState]:
        """Map (B, T, width) to (B, T, width)."""
        attended_BTD, attention = self.attention.step(self.first(chunk_BTD), state.attention)
        mixed_BTD, conv = self.conv.step(attended_BTD, state.conv)
        return self.norm(self.second(mixed_BTD)), BlockState(attention, conv)


@dataclass(frozen=True)
class ConformerState:
    """Memories of the stem and of every block."""

    stem: StemState
    blocks: tuple[BlockState, ...]


class Conformer(Layer[ConformerState]):
    """A stem and blocks."""

    def __init__(self, shape: ConformerShape, *, stack: int, n_mels: int, dropout: float) -> None:
        super().__init__()
        self.width = shape.width
        self.stem = built_stem(shape.stem, stack=stack, n_mels=n_mels, width=shape.width)
        self.blocks = Stack([ConformerBlock(shape, dropout) for _ in range(shape.blocks)])
        self.macs_per_frame = self.stem.macs_per_frame + self.blocks.macs_per_frame

    def initial_state(self, batch: int) -> ConformerState:
        """Return empty memories."""
        return ConformerState(self.stem.initial_state(batch), self.blocks.initial_state(batch))

    def step(self, chunk_BTD: Tensor, state: ConformerState) -> tuple[Tensor, ConformerState]:
        """Map (B, T, stack * n_mels) to (B, T, width)."""
        framed_BTD, stem = self.stem.step(chunk_BTD, state.stem)
        said_BTD, blocks = self.blocks.step(framed_BTD, state.blocks)
        return said_BTD, ConformerState(stem, blocks)
