"""Streaming Transformer: attention to a bounded window of the past and feed-forwards, each behind its own LayerNorm.

Tensor names: B utterance, T frame, D channel.

    x = x + attention(norm(x)),  x = x + feed_forward(norm(x)),  and one LayerNorm after all blocks

Norms stand in front of the sub-blocks (R. Xiong et al., "On Layer Normalization in the Transformer Architecture",
2020), so what is said by a block is added to an unchanged sum.
"""

from __future__ import annotations

from torch import Tensor, nn

from evenvoice.models.attention import AttentionState, PastAttention
from evenvoice.models.feed_forward import FeedForward
from evenvoice.models.shapes import TransformerShape
from evenvoice.models.stack import Stack
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


class Transformer(Layer[tuple[AttentionState, ...]]):
    """A linear stem, blocks, a last LayerNorm."""

    def __init__(self, shape: TransformerShape, *, inputs: int, dropout: float) -> None:
        super().__init__()
        self.width = shape.width
        self.stem = nn.Linear(inputs, shape.width)
        self.blocks = Stack([TransformerBlock(shape, dropout) for _ in range(shape.blocks)])
        self.norm = nn.LayerNorm(shape.width)
        self.macs_per_frame = inputs * shape.width + self.blocks.macs_per_frame

    def initial_state(self, batch: int) -> tuple[AttentionState, ...]:
        """Return empty memories."""
        return self.blocks.initial_state(batch)

    def step(self, chunk_BTD: Tensor,
             state: tuple[AttentionState, ...]) -> tuple[Tensor, tuple[AttentionState, ...]]:
        """Map (B, T, inputs) to (B, T, width)."""
        said_BTD, after = self.blocks.step(self.stem(chunk_BTD), state)
        return self.norm(said_BTD), after
