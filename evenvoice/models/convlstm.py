"""Causal convolution blocks in front of an LSTM stack.

Tensor names: B utterance, T frame, M mel band, D channel, L LSTM layer.

Log-mel frames are stacked to one frame per 30-40 ms. Each block then mixes time by a causal depthwise convolution and
channels by a gated pointwise layer, around a residual; the LSTMs carry what lies further back. LayerNorm looks at one
frame at a time, so no statistic leaks the future or the padding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.models.streaming import Encoder, Streaming
from evenvoice.params import Encoder as Settings


@dataclass(frozen=True)
class BlockState:
    """The last ``kernel - 1`` normalised frames."""

    past_BTD: Tensor


@dataclass(frozen=True)
class ConvLstmState:
    """Log-mel frames that do not fill an encoder frame yet, and the memory of every layer."""

    pending_BTM: Tensor
    blocks: tuple[BlockState, ...]
    hidden_LBD: Tensor
    cell_LBD: Tensor


class CausalConv(nn.Module):
    """Depthwise convolution over this frame and those before, as one multiplication per tap.

    PyTorch's grouped convolution wants channels before time and is no faster at these sizes on a processor.
    """

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.taps_KD = nn.Parameter(torch.empty(kernel, width).uniform_(-1, 1) / kernel**0.5)
        self.macs_per_frame = kernel * width

    def forward(self, extended_BTD: Tensor) -> Tensor:
        """Map ``kernel - 1`` past frames and T new ones to T frames."""
        kernel = self.taps_KD.shape[0]
        frames = extended_BTD.shape[1] - kernel + 1
        mixed_BTD = extended_BTD[:, :frames] * self.taps_KD[0]
        for tap in range(1, kernel):
            mixed_BTD = torch.addcmul(mixed_BTD, extended_BTD[:, tap:tap + frames], self.taps_KD[tap])
        return mixed_BTD


class ConvBlock(Streaming[BlockState]):
    """x + W2 glu(W1 silu(causal_conv(norm(x))))."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = CausalConv(width, kernel)
        self.expand = nn.Linear(width, 2 * width)
        self.contract = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.macs_per_frame = self.conv.macs_per_frame + 3 * width**2

    def initial_state(self, batch: int) -> BlockState:
        """Return silence: zeros, which LayerNorm's output has as its mean."""
        kernel, width = self.conv.taps_KD.shape
        return BlockState(self.conv.taps_KD.new_zeros(batch, kernel - 1, width))

    def step(self, chunk_BTD: Tensor, state: BlockState) -> tuple[Tensor, BlockState]:
        """Map (B, T, width) to (B, T, width)."""
        normed_BTD = self.norm(chunk_BTD)
        extended_BTD = torch.cat([state.past_BTD.to(normed_BTD.dtype), normed_BTD], dim=1)
        gated_BTD = functional.glu(self.expand(functional.silu(self.conv(extended_BTD))))
        past_BTD = extended_BTD[:, chunk_BTD.shape[1]:]
        return chunk_BTD + self.dropout(self.contract(gated_BTD)), BlockState(past_BTD)


class ConvLstm(Encoder[ConvLstmState]):
    """Stacked log-mel frames, causal convolution blocks, LSTMs."""

    def __init__(self, *, settings: Settings, n_mels: int, dropout: float) -> None:
        super().__init__()
        self.subsampling = settings.stack
        self.width = settings.lstm_width
        self.n_mels = n_mels
        self.stem = nn.Linear(settings.stack * n_mels, settings.width)
        self.blocks = nn.ModuleList(ConvBlock(settings.width, settings.kernel, dropout)
                                    for _ in range(settings.blocks))
        self.lstm_norm = nn.LayerNorm(settings.width)
        self.lstm = nn.LSTM(settings.width, settings.lstm_width, settings.lstm_layers, batch_first=True,
                            dropout=dropout if settings.lstm_layers > 1 else 0.0)
        self.norm = nn.LayerNorm(settings.lstm_width)

    @property
    def macs_per_frame(self) -> int:
        """Stem, blocks and the four gates of each LSTM layer; LayerNorm and activations are not counted."""
        lstm = sum(4 * self.lstm.hidden_size * (inputs + self.lstm.hidden_size)
                   for inputs in [self.lstm.input_size, *[self.lstm.hidden_size] * (self.lstm.num_layers - 1)])
        return self.stem.in_features * self.stem.out_features + sum(b.macs_per_frame for b in self._blocks()) + lstm

    def initial_state(self, batch: int) -> ConvLstmState:
        """Return no pending frames and zero memories."""
        memory_LBD = self.stem.weight.new_zeros(self.lstm.num_layers, batch, self.lstm.hidden_size)
        return ConvLstmState(pending_BTM=self.stem.weight.new_zeros(batch, 0, self.n_mels),
                             blocks=tuple(block.initial_state(batch) for block in self._blocks()),
                             hidden_LBD=memory_LBD, cell_LBD=memory_LBD)

    def step(self, chunk_BTM: Tensor, state: ConvLstmState) -> tuple[Tensor, ConvLstmState]:
        """Map (B, T, n_mels) to (B, (pending + T) // stack, lstm_width)."""
        available_BTM = torch.cat([state.pending_BTM, chunk_BTM], dim=1)
        frames = available_BTM.shape[1] // self.subsampling
        used = frames * self.subsampling
        pending_BTM = available_BTM[:, used:]
        if frames == 0:
            nothing_BTD = chunk_BTM.new_zeros(chunk_BTM.shape[0], 0, self.width)
            return nothing_BTD, ConvLstmState(pending_BTM, state.blocks, state.hidden_LBD, state.cell_LBD)
        hidden_BTD = self.stem(available_BTM[:, :used].reshape(chunk_BTM.shape[0], frames, -1))
        after = []
        for block, before in zip(self._blocks(), state.blocks, strict=True):
            hidden_BTD, remembered = block.step(hidden_BTD, before)
            after.append(remembered)
        hidden_BTD, (hidden_LBD, cell_LBD) = self.lstm(self.lstm_norm(hidden_BTD), (state.hidden_LBD, state.cell_LBD))
        return self.norm(hidden_BTD), ConvLstmState(pending_BTM, tuple(after), hidden_LBD, cell_LBD)

    def _blocks(self) -> list[ConvBlock]:
        return [block for block in self.blocks if isinstance(block, ConvBlock)]
