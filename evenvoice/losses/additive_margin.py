"""Additive angular margin softmax: every training speaker has a direction, and a voice must come close to its own.

Shapes: N speakers of a batch, M recordings of each, D embedding width, S training speakers.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.errors import ShapeError

MARGIN: Final = 0.2
SCALE: Final = 30.0
"""Both as in B. Desplanques et al., arXiv 2005.07143, section 4.2."""


class AdditiveMargin(nn.Module):
    """One loss per speaker: the mean over its recordings of how surely each is told to be of its speaker.

    With the angle t_s between a recording and the direction of speaker s, and y its own speaker,
    loss = -ln(exp(k cos(t_y + m)) / (exp(k cos(t_y + m)) + sum_{s != y} exp(k cos t_s))) (J. Deng et al., "ArcFace",
    2019, equation 3). Where t_y + m is beyond pi, cos t_y - m sin(m) takes its place, so that it falls throughout.
    """

    def __init__(self, speakers: int, embedding: int, margin: float = MARGIN, scale: float = SCALE) -> None:
        super().__init__()
        self.directions = nn.Parameter(functional.normalize(torch.randn(speakers, embedding), dim=-1))
        self.margin, self.scale = margin, scale

    def forward(self, embeddings_NMD: Tensor, speakers_N: Tensor) -> Tensor:
        """Loss of each speaker (N,), unweighted.

        Args:
            embeddings_NMD: of unit length.
            speakers_N: their numbers among the training speakers.

        Raises:
            ShapeError: not one number for each speaker.
        """
        if embeddings_NMD.dim() != 3 or speakers_N.shape != embeddings_NMD.shape[:1]:
            raise ShapeError(name="embeddings_NMD", rule="have one training speaker for each of N",
                             value=(tuple(embeddings_NMD.shape), tuple(speakers_N.shape)),
                             action="Pass the numbers of the speakers.")
        cosines_BS = functional.linear(embeddings_NMD.flatten(0, 1), functional.normalize(self.directions, dim=-1))
        targets_B = speakers_N.repeat_interleave(embeddings_NMD.shape[1])
        own_B1 = cosines_BS.gather(1, targets_B[:, None])
        sine_B1 = (1 - own_B1.square()).clamp_min(1e-9).sqrt()
        nearer_B1 = own_B1 * math.cos(self.margin) - sine_B1 * math.sin(self.margin)
        beyond_B1 = own_B1 < math.cos(math.pi - self.margin)
        nearer_B1 = torch.where(beyond_B1, own_B1 - self.margin * math.sin(self.margin), nearer_B1)
        logits_BS = self.scale * cosines_BS.scatter(1, targets_B[:, None], nearer_B1)
        losses_B = functional.cross_entropy(logits_BS, targets_B, reduction="none")
        losses_N: Tensor = losses_B.reshape(embeddings_NMD.shape[:2]).mean(dim=1)
        return losses_N
