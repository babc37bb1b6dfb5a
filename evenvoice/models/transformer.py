"""Streaming Transformer: attention to a bounded window of the past and feed-forwards, each behind its own LayerNorm.

Tensor names: B utterance, T frame, D channel.

    x = x + attention(norm(x)),  x = x + feed_forward(norm(x)),  and one LayerNorm after all blocks

Norms stand in front of the sub-blocks (R. Xiong et al., "On Layer Normalization in the Transformer Architecture",
2020), so what is said by a block is added to an unchanged sum.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from evenvoice.models.attention import AttentionState, PastAttention
from evenvoice.models.feed_forward import FeedForward
from evenvoice.models.shapes import TransformerShape
from evenvoice.models.stack import Stack
from evenvoice.models.stem import StemState, built_stem
from evenvoice.models.streaming import Layer


class TransformerBlock(Layer[AttentionState]):
    """Attention, feed-forward."""

    def __init__(self, shape: TransformerShape, dropout: float) -> None:
        super().__init__()
        self.width = shape.width
        self.attention = PastAttention(shape.width, shape.heads, shape.window, dropout)
        self.feed_forward = FeedForward(shape.width, shape.expansion, dropout)
        self.macs_per_frame = self.attention.macs_per_frame + self.feed_forward.macs_per_frame

    def initial_state(self, batch: int) -> AttentionState:
        """Return nothing to attend to."""
        return self.attention.initial_state(batch)

    def step(self, chunk_BTD: Tensor, state: AttentionState) -> tuple[Tensor, AttentionState]:
        """Map (B, T, width) to (B, T, width)."""
        attended_BTD, after = self.attention.step(chunk_BTD, state)
        return self.feed_forward(attended_BTD), after


@dataclass(frozen=True)
class TransformerState:
    """Memories of the stem and of every block."""

    stem: StemState
    blocks: tuple[AttentionState, ...]


class Transformer(Layer[TransformerState]):
    """A stem, blocks, a last LayerNorm."""

    def __init__(self, shape: TransformerShape, *, stack: int, n_mels: int, dropout: float) -> None:
        super().__init__()
        self.width = shape.width
        self.stem = built_stem(shape.stem, stack=stack, n_mels=n_mels, width=shape.width)
        self.blocks = Stack([TransformerBlock(shape, dropout) for _ in range(shape.blocks)])
        self.norm = nn.LayerNorm(shape.width)
        self.macs_per_frame = self.stem.macs_per_frame + self.blocks.macs_per_frame

    def initial_state(self, batch: int) -> TransformerState:
        """Return empty memories."""
        return TransformerState(self.stem.initial_state(batch), self.blocks.initial_state(batch))

    def step(self, chunk_BTD: Tensor, state: TransformerState) -> tuple[Tensor, TransformerState]:
        """Map (B, T, stack * n_mels) to (B, T, width)."""
        framed_BTD, stem = self.stem.step(chunk_BTD, state.stem)
        said_BTD, blocks = self.blocks.step(framed_BTD, state.blocks)
        return self.norm(said_BTD), TransformerState(stem, blocks)
