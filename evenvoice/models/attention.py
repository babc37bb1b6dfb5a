"""Attention to a bounded window of the past.

Tensor names: B utterance, T frame, S frame that is attended to, D channel, H head, C channel of a head, W window.

Positions enter as one learned number per head and distance, so a stream may last for ever; keys and values of the
window are cached.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.models.streaming import Layer

QUERIES_AT_ONCE = 128
"""Frames that attend together: memory grows with the window, not with the utterance."""


@dataclass(frozen=True)
class AttentionState:
    """Keys and values of the frames that the next one can still see."""

    keys_BHSC: Tensor
    values_BHSC: Tensor


class Attention(nn.Module):
    """What attention to the past learns, under names that do not depend on how it is computed."""

    def __init__(self, width: int, heads: int, window: int, dropout: float) -> None:
        super().__init__()
        self.width, self.heads, self.window = width, heads, window
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.distance_HW = nn.Parameter(torch.zeros(heads, window))
        self.dropout = nn.Dropout(dropout)
        self.macs_per_frame = 4 * width**2 + 2 * window * width


class PastAttention(Attention, Layer[AttentionState]):
    """x + W attention(norm(x)) over this frame and the ``window - 1`` before."""

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
