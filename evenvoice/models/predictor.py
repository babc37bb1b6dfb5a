"""The label predictor: what the last labels say about the next one.

Tensor names: B utterance, U label, C context, P predictor channel.

A context of a few labels instead of an LSTM over all of them (M. Ghodsi et al., "RNN-Transducer with Stateless
Prediction Network", 2020). With little text an LSTM knows the sentences by heart before the encoder has learned to
listen: the loss falls, and the search then writes likely sentences that nobody said. docs/experiments.md has the
figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.models.streaming import Streaming

CONTEXT = 2


@dataclass(frozen=True)
class PredictorState:
    """The labels before the next one, blank where there is none."""

    labels_BC: Tensor

    def where(self, chosen_B: Tensor, other: PredictorState) -> PredictorState:
        """This state for the chosen utterances, the other one for the rest."""
        return PredictorState(torch.where(chosen_B[:, None], self.labels_BC, other.labels_BC))

    def select(self, rows_N: Tensor) -> PredictorState:
        """The state of these rows, each as often as it is named."""
        return PredictorState(self.labels_BC[rows_N])

    def replace(self, rows_N: Tensor, other: PredictorState) -> PredictorState:
        """This state with these rows taken from the other, in order."""
        return PredictorState(self.labels_BC.index_copy(0, rows_N, other.labels_BC))


class Predictor(Streaming[PredictorState]):
    """Embeds the last labels of every position and mixes them."""

    def __init__(self, *, vocabulary: int, width: int, dropout: float, blank: int = 0) -> None:
        super().__init__()
        self.blank = blank
        self.embedding = nn.Embedding(vocabulary, width)
        self.mix = nn.Linear(CONTEXT * width, width)
        self.dropout = nn.Dropout(dropout)
        self.macs_per_label = CONTEXT * width**2

    def initial_state(self, batch: int) -> PredictorState:
        """Return blanks, which stand for the beginning."""
        return PredictorState(torch.full((batch, CONTEXT - 1), self.blank, device=self.mix.weight.device))

    def step(self, labels_BU: Tensor, state: PredictorState) -> tuple[Tensor, PredictorState]:
        """Map labels (B, U) to predictions of what follows each of them, (B, U, width)."""
        context_BC = torch.cat([state.labels_BC, labels_BU], dim=1)
        windows_BUC = context_BC.unfold(1, CONTEXT, 1)
        mixed_BUP = functional.silu(self.mix(self.embedding(windows_BUC).flatten(2)))
        return self.dropout(mixed_BUP), PredictorState(context_BC[:, labels_BU.shape[1]:])

    def start(self, labels_BU: Tensor) -> Tensor:
        """Map targets (B, U) to predictions (B, U + 1, width), the first of them from no label at all."""
        predicted_BUP: Tensor = self(functional.pad(labels_BU, (1, 0), value=self.blank))
        return predicted_BUP
