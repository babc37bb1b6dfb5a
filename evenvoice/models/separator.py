"""What tells two talkers apart in front of a recogniser: one ear for the mixture, a branch for each channel.

Tensor names: B mixture, T frame, S channel of stacked log-mel frames, R row: the channels of the first mixture, then
those of the next.

An LSTM hears the mixture, one more per channel decides what of it belongs there, and each channel passes the stacked
frames on with a correction added. A factor on power is a term on its logarithm, so a correction is a mask; as it
begins at zero, an untrained separator passes the mixture on to every channel, and a recogniser that was trained on one
talker goes on behind it as it is. The published system (arXiv 2205.05199) has a mixture encoder and two channel
encoders too, but what they are made of is this project's choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evenvoice.models.shapes import SeparatorShape
from evenvoice.models.streaming import Streaming


@dataclass(frozen=True)
class SeparatorState:
    """Memories of the mixture's LSTM and of each channel's, (1, B, width) each."""

    mixture: tuple[Tensor, Tensor]
    branches: tuple[tuple[Tensor, Tensor], ...]


class Separator(Streaming[SeparatorState]):
    """Maps stacked frames (B, T, S) of mixtures to those of their channels, (R, T, S)."""

    def __init__(self, shape: SeparatorShape, inputs: int) -> None:
        super().__init__()
        self.channels = shape.channels
        self.norm = nn.LayerNorm(inputs)
        self.mixture = nn.LSTM(inputs, shape.mixture_width, batch_first=True)
        self.mixture_norm = nn.LayerNorm(shape.mixture_width)
        self.branches = nn.ModuleList(_Branch(shape.mixture_width, shape.branch_width, inputs)
                                      for _ in range(shape.channels))
        self.macs_per_frame = (4 * shape.mixture_width * (inputs + shape.mixture_width)
                               + sum(branch.macs_per_frame for branch in self._branches()))

    def initial_state(self, batch: int) -> SeparatorState:
        """Return zero memories."""
        return SeparatorState(_memory(self.mixture, batch),
                              tuple(_memory(branch.lstm, batch) for branch in self._branches()))

    def step(self, chunk_BTS: Tensor, state: SeparatorState) -> tuple[Tensor, SeparatorState]:
        """Map (B, T, S) to (R, T, S)."""
        heard_BTD, mixture = self.mixture(self.norm(chunk_BTS), state.mixture)
        heard_BTD = self.mixture_norm(heard_BTD)
        said, after = [], []
        for branch, before in zip(self._branches(), state.branches, strict=True):
            correction_BTS, remembered = branch(heard_BTD, before)
            said.append(chunk_BTS + correction_BTS)
            after.append(remembered)
        return torch.stack(said, dim=1).flatten(0, 1), SeparatorState(mixture, tuple(after))

    def _branches(self) -> list[_Branch]:
        return [branch for branch in self.branches if isinstance(branch, _Branch)]


class _Branch(nn.Module):
    """What is added to a channel's frames."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, width, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.correct = nn.Linear(width, outputs)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)
        self.macs_per_frame = 4 * width * (inputs + width) + width * outputs

    def forward(self, heard_BTD: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        said_BTD, after = self.lstm(heard_BTD, state)
        return self.correct(self.norm(said_BTD)), after


def _memory(lstm: nn.LSTM, batch: int) -> tuple[Tensor, Tensor]:
    zeros_1BD = next(lstm.parameters()).new_zeros(1, batch, lstm.hidden_size)
    return zeros_1BD, zeros_1BD
