"""Streaming Conformer (arXiv 2005.08100): causal convolution, attention to a bounded window of the past.

Tensor names: B utterance, T frame, S frame that is attended to, D channel, H head, C channel of a head, W window.

A block is x + half a feed-forward, attention, convolution, half a feed-forward, each behind its own LayerNorm. Batch
norm, whose statistics run over time and padding, is LayerNorm here. Positions enter as one learned number per head and
distance, so a stream may last for ever; keys and values of the window are cached.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.models.causal import DepthwiseConv, PastFrames
from evenvoice.models.shapes import ConformerShape
from evenvoice.models.stack import Stack
from evenvoice.models.streaming import Layer

QUERIES_AT_ONCE = 128
"""Frames that attend together: memory grows with the window, not with the utterance."""


class FeedForward(nn.Module):
    """x + W2 silu(W1 norm(x)) / 2."""

    def __init__(self, width: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, expansion * width)
        self.contract = nn.Linear(expansion * width, width)
        self.dropout = nn.Dropout(dropout)
        self.macs_per_frame = 2 * expansion * width**2

    def forward(self, chunk_BTD: Tensor) -> Tensor:
        """Map (B, T, width) to (B, T, width)."""
        said_BTD: Tensor = self.contract(self.dropout(functional.silu(self.expand(self.norm(chunk_BTD)))))
        return torch.add(chunk_BTD, self.dropout(said_BTD), alpha=0.5)


@dataclass(frozen=True)
class AttentionState:
    """Keys and values of the frames that the next one can still see."""

    keys_BHSC: Tensor
    values_BHSC: Tensor


class PastAttention(Layer[AttentionState]):
    """x + W attention(norm(x)) over this frame and the ``window - 1`` before."""

    def __init__(self, width: int, heads: int, window: int, dropout: float) -> None:
        super().__init__()
        self.width, self.heads, self.window = width, heads, window
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.distance_HW = nn.Parameter(torch.zeros(heads, window))
        self.dropout = nn.Dropout(dropout)
        self.macs_per_frame = 4 * width**2 + 2 * window * width

    def initial_state(self, batch: int) -> AttentionState:
        """Return nothing to attend to."""
        nothing = self.output.weight.new_zeros(batch, self.heads, 0, self.width // self.heads)
        return AttentionState(nothing, nothing)

    def step(self, chunk_BTD: Tensor, state: AttentionState) -> tuple[Tensor, AttentionState]:
        """Map (B, T, width) to (B, T, width)."""
        batch, frames, _ = chunk_BTD.shape
        projected = self.project(self.norm(chunk_BTD)).view(batch, frames, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query_BHTC = projected[0]
        keys_BHSC = torch.cat([state.keys_BHSC.to(projected.dtype), projected[1]], dim=2)
        values_BHSC = torch.cat([state.values_BHSC.to(projected.dtype), projected[2]], dim=2)
        heard_BHTC = torch.cat([self._attend(query_BHTC, keys_BHSC, values_BHSC, start)
                                for start in range(0, frames, QUERIES_AT_ONCE)], dim=2)
        said_BTD = self.output(heard_BHTC.transpose(1, 2).reshape(batch, frames, self.width))
        forgotten = max(0, keys_BHSC.shape[2] - (self.window - 1))
        return (chunk_BTD + self.dropout(said_BTD),
                AttentionState(keys_BHSC[:, :, forgotten:], values_BHSC[:, :, forgotten:]))

    def _attend(self, query_BHTC: Tensor, keys_BHSC: Tensor, values_BHSC: Tensor, start: int) -> Tensor:
        stop = min(start + QUERIES_AT_ONCE, query_BHTC.shape[2])
        past = keys_BHSC.shape[2] - query_BHTC.shape[2]
        first = max(0, past + start - (self.window - 1))
        distance_TS = (torch.arange(past + start, past + stop, device=query_BHTC.device)[:, None]
                       - torch.arange(first, past + stop, device=query_BHTC.device)[None])
        seen_TS = (distance_TS >= 0) & (distance_TS < self.window)
        bias_HTS = self.distance_HW[:, distance_TS.clamp(0, self.window - 1)].masked_fill(~seen_TS, float("-inf"))
        return functional.scaled_dot_product_attention(
            query_BHTC[:, :, start:stop], keys_BHSC[:, :, first:past + stop], values_BHSC[:, :, first:past + stop],
            attn_mask=bias_HTS.to(query_BHTC.dtype)[None])


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
        self.first = FeedForward(shape.width, shape.expansion, dropout)
        self.attention = PastAttention(shape.width, shape.heads, shape.window, dropout)
        self.conv = ConvModule(shape.width, shape.kernel, dropout)
        self.second = FeedForward(shape.width, shape.expansion, dropout)
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


class Conformer(Layer[tuple[BlockState, ...]]):
    """A linear stem and blocks."""

    def __init__(self, shape: ConformerShape, *, inputs: int, dropout: float) -> None:
        super().__init__()
        self.width = shape.width
        self.stem = nn.Linear(inputs, shape.width)
        self.blocks = Stack([ConformerBlock(shape, dropout) for _ in range(shape.blocks)])
        self.macs_per_frame = inputs * shape.width + self.blocks.macs_per_frame

    def initial_state(self, batch: int) -> tuple[BlockState, ...]:
        """Return empty memories."""
        return self.blocks.initial_state(batch)

    def step(self, chunk_BTD: Tensor, state: tuple[BlockState, ...]) -> tuple[Tensor, tuple[BlockState, ...]]:
        """Map (B, T, inputs) to (B, T, width)."""
        return self.blocks.step(self.stem(chunk_BTD), state)
