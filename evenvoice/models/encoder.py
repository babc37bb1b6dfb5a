"""What all encoders share: log-mel frames are stacked, a body reads them, look-ahead delays what it says.

Tensor names: B utterance, T frame, M mel band, D encoder channel.

Look-ahead of R encoder frames means that the output for frame t is what the causal body says after frame t + R. So
every body looks ahead in the same way, streaming stays exact, and R frames are the whole of its latency.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evenvoice.models.streaming import Layer, Streaming


@dataclass(frozen=True)
class EncoderState:
    """Log-mel frames that do not fill an encoder frame yet, outputs still to be dropped, the body's memory."""

    pending_BTM: Tensor
    early: int
    body: Any


class Encoder(Streaming[EncoderState]):
    """Turns normalised log-mel frames (B, T, n_mels) into fewer, wider frames (B, T // subsampling, width).

    Attributes:
        body: reads stacked frames (B, T, subsampling * n_mels).
        subsampling: log-mel frames per encoder frame. Frames that do not fill one are held back for the next chunk;
            at the end of an utterance they are dropped.
        width: channels of an encoder frame.
        lookahead: encoder frames that an output waits for. What lies behind an utterance counts as zeros, the mean
            of normalised speech, so padding must be zeros where this is not 0.
    """

    def __init__(self, body: Layer[Any], *, stack: int, n_mels: int, lookahead: int) -> None:
        super().__init__()
        self.body = body
        self.subsampling = stack
        self.width = body.width
        self.n_mels = n_mels
        self.lookahead = lookahead

    @property
    def macs_per_frame(self) -> int:
        """Multiply-accumulates of one encoder frame."""
        return self.body.macs_per_frame

    def initial_state(self, batch: int) -> EncoderState:
        """Return no pending frames and the body's own beginning."""
        weight = next(self.body.parameters())
        return EncoderState(pending_BTM=weight.new_zeros(batch, 0, self.n_mels), early=self.lookahead,
                            body=self.body.initial_state(batch))

    def step(self, chunk_BTM: Tensor, state: EncoderState) -> tuple[Tensor, EncoderState]:
        """Map (B, T, n_mels) to (B, T', width): as many frames as are complete, less those that look ahead."""
        available_BTM = torch.cat([state.pending_BTM, chunk_BTM], dim=1)
        batch, frames = len(available_BTM), available_BTM.shape[1] // self.subsampling
        used = frames * self.subsampling
        pending_BTM = available_BTM[:, used:]
        if frames == 0:
            return chunk_BTM.new_zeros(batch, 0, self.width), EncoderState(pending_BTM, state.early, state.body)
        encoded_BTD, body = self.body.step(available_BTM[:, :used].reshape(batch, frames, -1), state.body)
        early = min(state.early, frames)
        return encoded_BTD[:, early:], EncoderState(pending_BTM, state.early - early, body)

    def finish(self, state: EncoderState) -> Tensor:
        """Return the frames (B, lookahead, width) that still waited when the utterance ended."""
        batch = len(state.pending_BTM)
        return self.step(state.pending_BTM.new_zeros(batch, self.lookahead * self.subsampling, self.n_mels), state)[0]

    def forward(self, whole_BTM: Tensor) -> Tensor:
        """Map whole utterances, or a padded batch of them."""
        encoded_BTD, state = self.step(whole_BTM, self.initial_state(len(whole_BTM)))
        return torch.cat([encoded_BTD, self.finish(state)], dim=1) if self.lookahead else encoded_BTD
