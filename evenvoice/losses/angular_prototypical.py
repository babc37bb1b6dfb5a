"""Angular prototypical loss: pulls a speaker's recordings together and away from other speakers of the batch.

Shapes: N speakers, M recordings of each, D embedding width.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.errors import ShapeError

INITIAL_SCALE: Final = 10.0
INITIAL_BIAS: Final = -5.0


class AngularPrototypical(nn.Module):
    """One loss per speaker: how surely the last recording is told to be of its speaker and not of another.

    With the prototype c_k, the mean of a speaker's first M - 1 recordings, and the query x_j, the last one,
    S_jk = w cos(x_j, c_k) + b and loss_j = -ln(exp S_jj / sum_k exp S_jk); w > 0 and b are learned (Chung et al.
    2020, "In defence of metric learning for speaker recognition", section 2.2). The softmax cancels b, so that it
    keeps its first value; it stands here because scores are read as w cos + b.
    """

    def __init__(self, scale: float = INITIAL_SCALE, bias: float = INITIAL_BIAS) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))  # its exponential stays positive
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, embeddings_NMD: Tensor) -> Tensor:
        """Loss of each speaker (N,), unweighted.

        Raises:
            ShapeError: fewer than two speakers or two recordings of each.
        """
        if embeddings_NMD.dim() != 3 or embeddings_NMD.shape[0] < 2 or embeddings_NMD.shape[1] < 2:
            raise ShapeError(name="embeddings_NMD", rule="have at least 2 speakers and 2 recordings of each",
                             value=tuple(embeddings_NMD.shape), action="Raise train_speaker.recordings_per_speaker.")
        queries_ND = functional.normalize(embeddings_NMD[:, -1], dim=-1)
        prototypes_ND = functional.normalize(embeddings_NMD[:, :-1].mean(dim=1), dim=-1)
        scores_NN = self.log_scale.exp() * queries_ND @ prototypes_ND.T + self.bias
        speakers_N = torch.arange(len(scores_NN), device=scores_NN.device)
        return functional.cross_entropy(scores_NN, speakers_N, reduction="none")
