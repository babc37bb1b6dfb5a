"""The label predictor: what the labels so far say about the next one.

Tensor names: B utterance, U label, P predictor channel, L LSTM layer.

An LSTM, although a context of two labels would do with word pieces (M. Ghodsi et al., "RNN-Transducer with Stateless
Prediction Network", 2020): with characters two labels do not say which word they are in, and on digit strings the
search went from "fi-ve" on with "seve-n".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.models.streaming import Streaming


@dataclass(frozen=True)
class PredictorState:
    """The LSTM's memory of the labels so far."""

    hidden_LBP: Tensor
    cell_LBP: Tensor

    def where(self, chosen_B: Tensor, other: PredictorState) -> PredictorState:
        """This state for the chosen utterances, the other one for the rest."""
        chosen_B1 = chosen_B[:, None]
        return PredictorState(torch.where(chosen_B1, self.hidden_LBP, other.hidden_LBP),
                              torch.where(chosen_B1, self.cell_LBP, other.cell_LBP))


class Predictor(Streaming[PredictorState]):
    """Embedded labels through one LSTM layer."""

    def __init__(self, *, vocabulary: int, width: int, dropout: float, blank: int = 0) -> None:
        super().__init__()
        self.blank = blank
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.macs_per_label = 8 * width**2

    def initial_state(self, batch: int) -> PredictorState:
        """Return no memory; ``blank`` is then given as the label that stands for the beginning."""
        nothing_LBP = self.embedding.weight.new_zeros(1, batch, self.lstm.hidden_size)
        return PredictorState(nothing_LBP, nothing_LBP)

    def step(self, labels_BU: Tensor, state: PredictorState) -> tuple[Tensor, PredictorState]:
        """Map labels (B, U) to predictions of what follows each of them, (B, U, width)."""
        embedded_BUP = self.dropout(self.embedding(labels_BU))
        predicted_BUP, (hidden_LBP, cell_LBP) = self.lstm(embedded_BUP, (state.hidden_LBP, state.cell_LBP))
        return self.dropout(predicted_BUP), PredictorState(hidden_LBP, cell_LBP)

    def start(self, labels_BU: Tensor) -> Tensor:
        """Map targets (B, U) to predictions (B, U + 1, width), the first of them from no label at all."""
        predicted_BUP: Tensor = self(functional.pad(labels_BU, (1, 0), value=self.blank))
        return predicted_BUP
