"""The feed-forward of a block.

Tensor names: B utterance, T frame, D channel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class FeedForward(nn.Module):
    """x + share * W2 silu(W1 norm(x)).

    Args:
        width: channels of x.
        expansion: how many times wider the hidden layer is.
        dropout: behind both layers.
        share: 1/2 where two of them stand around attention and convolution, as in a Conformer.
    """

    def __init__(self, width: int, expansion: int, dropout: float, share: float = 1.0) -> None:
        super().__init__()
        self.share = share
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, expansion * width)
        self.contract = nn.Linear(expansion * width, width)
        self.dropout = nn.Dropout(dropout)
        self.macs_per_frame = 2 * expansion * width**2

    def forward(self, chunk_BTD: Tensor) -> Tensor:
        """Map (B, T, width) to (B, T, width)."""
        said_BTD: Tensor = self.contract(self.dropout(functional.silu(self.expand(self.norm(chunk_BTD)))))
        return torch.add(chunk_BTD, self.dropout(said_BTD), alpha=self.share)
