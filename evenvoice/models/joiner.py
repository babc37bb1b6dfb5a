"""The joiner: scores of every label at a pair of a frame and a label position.

Tensor names: B utterance, J joiner channel, V vocabulary.

    logits = W tanh(frame + label) + b

Decoding scores one pair at a time. In training all pairs are scored by the loss (evenvoice/losses/rnnt.py), which
never holds them together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Joiner(nn.Module):
    """Projects encoder and predictor to one width, adds them, and scores the vocabulary."""

    def __init__(self, *, encoder_width: int, predictor_width: int, width: int, vocabulary: int) -> None:
        super().__init__()
        self.frame = nn.Linear(encoder_width, width)
        self.label = nn.Linear(predictor_width, width, bias=False)
        self.output = nn.Linear(width, vocabulary)
        self.frame_macs = encoder_width * width
        self.label_macs = predictor_width * width
        self.score_macs = width * vocabulary

    def score(self, frame_BJ: Tensor, label_BJ: Tensor) -> Tensor:
        """Score one projected frame against one projected label position: (B, V)."""
        scores_BV: Tensor = self.output(torch.tanh(frame_BJ + label_BJ))
        return scores_BV
