"""LSTM layers over stacked log-mel frames: the classical streaming encoder.

Tensor names: B utterance, T frame, D channel, L LSTM layer.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from evenvoice.models.shapes import LstmShape
from evenvoice.models.streaming import Layer


@dataclass(frozen=True)
class LstmState:
    """Outputs and cells of every layer after the last frame."""

    hidden_LBD: Tensor
    cell_LBD: Tensor


class LstmStack(Layer[LstmState]):
    """LayerNorm, LSTM layers with dropout between them, LayerNorm."""

    def __init__(self, *, inputs: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.norm_in = nn.LayerNorm(inputs)
        self.lstm = nn.LSTM(inputs, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.norm_out = nn.LayerNorm(width)
        self.macs_per_frame = sum(4 * width * (size + width) for size in [inputs, *[width] * (layers - 1)])

    def initial_state(self, batch: int) -> LstmState:
        """Return zero memories."""
        memory_LBD = self.norm_out.weight.new_zeros(self.lstm.num_layers, batch, self.width)
        return LstmState(memory_LBD, memory_LBD)

    def step(self, chunk_BTD: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """Map (B, T, inputs) to (B, T, width)."""
        said_BTD, (hidden_LBD, cell_LBD) = self.lstm(self.norm_in(chunk_BTD), (state.hidden_LBD, state.cell_LBD))
        return self.norm_out(said_BTD), LstmState(hidden_LBD, cell_LBD)


class Lstm(Layer[LstmState]):
    """A linear stem in front of an LSTM stack."""

    def __init__(self, shape: LstmShape, *, inputs: int, dropout: float) -> None:
        super().__init__()
        self.width = shape.width
        self.stem = nn.Linear(inputs, shape.width)
        self.stack = LstmStack(inputs=shape.width, width=shape.width, layers=shape.layers, dropout=dropout)
        self.macs_per_frame = inputs * shape.width + self.stack.macs_per_frame

    def initial_state(self, batch: int) -> LstmState:
        """Return zero memories."""
        return self.stack.initial_state(batch)

    def step(self, chunk_BTD: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """Map (B, T, inputs) to (B, T, width)."""
        return self.stack.step(self.stem(chunk_BTD), state)
