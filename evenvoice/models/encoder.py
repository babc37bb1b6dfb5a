"""What all encoders share: log-mel frames are stacked, a body reads them, look-ahead delays what it says.

Tensor names: B utterance, T frame, M mel band, D encoder channel, S channel of stacked frames, C cohort.

Look-ahead of R encoder frames means that the output for frame t is what the causal body says after frame t + R. So
every body looks ahead in the same way, streaming stays exact, and R frames are the whole of its latency.

An encoder may be told the speaker's cohort, once, before the first frame: a learned vector is added to every stacked
frame (arXiv 2207.11345). It lies in the state, so whoever passes states on needs to know nothing of cohorts.

A separator makes several channels of each recording, and all that follows hears channels: B recordings become R rows,
those of the first recording's channels first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from evenvoice.errors import ShapeError
from evenvoice.models.separator import Separator, SeparatorState
from evenvoice.models.streaming import Layer, Streaming


@dataclass(frozen=True)
class EncoderState:
    """Log-mel frames that do not fill an encoder frame yet, outputs still to be dropped, the body's memory."""

    pending_BTM: Tensor
    early: int
    body: Any
    cohort_B1S: Tensor | None = None
    """Vector of each speaker's cohort."""
    separator: SeparatorState | None = None


class Encoder(Streaming[EncoderState]):
    """Turns normalised log-mel frames (B, T, n_mels) into fewer, wider frames (B, T // subsampling, width).

    Attributes:
        body: reads stacked frames (B, T, subsampling * n_mels).
        subsampling: log-mel frames per encoder frame. Frames that do not fill one are held back for the next chunk;
            at the end of an utterance they are dropped.
        width: channels of an encoder frame.
        lookahead: encoder frames that an output waits for. What lies behind an utterance counts as zeros, the mean
            of normalised speech, so padding must be zeros where this is not 0.
        cohort_CS: a vector for each cohort, row 0 for speakers of whom none is known; None where the encoder takes no
            heed of cohorts. All begin as zeros, which change nothing.
        separator: tells talkers apart in front of the body; None where one is heard.
    """

    cohort_CS: nn.Parameter | None

    def __init__(self, body: Layer[Any], *, stack: int, n_mels: int, lookahead: int, cohorts: int = 0,
                 separator: Separator | None = None) -> None:
        super().__init__()
        self.body = body
        self.subsampling = stack
        self.width = body.width
        self.n_mels = n_mels
        self.lookahead = lookahead
        self.separator = separator
        self.cohort_CS = nn.Parameter(torch.zeros(1 + cohorts, stack * n_mels)) if cohorts else None

    @property
    def channels(self) -> int:
        """Rows that each recording becomes."""
        return 1 if self.separator is None else self.separator.channels

    @property
    def macs_per_frame(self) -> int:
        """Multiply-accumulates of one encoder frame of all channels; a cohort's vector counts one for each number."""
        separating = 0 if self.separator is None else self.separator.macs_per_frame
        return separating + self.channels * self.body.macs_per_frame + self._cohort_macs

    @property
    def dense_macs_per_frame(self) -> int:
        """The same without deciding which parts of the body work, where it does."""
        return self.body.dense_macs_per_frame + self._cohort_macs

    @property
    def _cohort_macs(self) -> int:
        return 0 if self.cohort_CS is None else self.cohort_CS.shape[1]

    def initial_state(self, batch: int, cohorts_B: Tensor | None = None) -> EncoderState:
        """Return no pending frames, the body's own beginning, and the vectors of the speakers' cohorts.

        Args:
            batch: utterances.
            cohorts_B: number of each speaker's cohort; 0, as None for all, where it is not known.

        Raises:
            ShapeError: cohorts for an encoder that takes no heed of them, or not one for each utterance.
        """
        weight = next(self.body.parameters())
        return EncoderState(pending_BTM=weight.new_zeros(batch, 0, self.n_mels), early=self.lookahead,
                            body=self.body.initial_state(batch * self.channels),
                            cohort_B1S=self._vectors(batch, cohorts_B),
                            separator=None if self.separator is None else self.separator.initial_state(batch))

    def _vectors(self, batch: int, cohorts_B: Tensor | None) -> Tensor | None:
        table_CS = self.cohort_CS
        if table_CS is None:
            if cohorts_B is not None:
                raise ShapeError(name="cohorts", rule="be left out for an encoder without vectors of cohorts",
                                 value=f"{len(cohorts_B)} cohorts", action="Give them to a model that was trained so.")
            return None
        if cohorts_B is None:
            return table_CS[:1].expand(batch, -1)[:, None]
        if len(cohorts_B) != batch:
            raise ShapeError(name="cohorts", rule=f"be {batch}, one for each utterance", value=len(cohorts_B),
                             action="Give each utterance its speaker's cohort, 0 where it is not known.")
        return table_CS[cohorts_B.to(table_CS.device)][:, None]

    def step(self, chunk_BTM: Tensor, state: EncoderState) -> tuple[Tensor, EncoderState]:
        """Map (B, T, n_mels) to (R, T', width): as many frames as are complete, less those that look ahead."""
        available_BTM = torch.cat([state.pending_BTM, chunk_BTM], dim=1)
        batch, frames = len(available_BTM), available_BTM.shape[1] // self.subsampling
        used = frames * self.subsampling
        pending_BTM = available_BTM[:, used:]
        if frames == 0:
            nothing_RTD = chunk_BTM.new_zeros(batch * self.channels, 0, self.width)
            return nothing_RTD, replace(state, pending_BTM=pending_BTM)
        stacked_BTS = available_BTM[:, :used].reshape(batch, frames, -1)
        if state.cohort_B1S is not None:
            stacked_BTS = stacked_BTS + state.cohort_B1S
        separator = state.separator
        if self.separator is not None and separator is not None:
            stacked_BTS, separator = self.separator.step(stacked_BTS, separator)
        encoded_RTD, body = self.body.step(stacked_BTS, state.body)
        early = min(state.early, frames)
        return encoded_RTD[:, early:], replace(state, pending_BTM=pending_BTM, early=state.early - early, body=body,
                                               separator=separator)

    def finish(self, state: EncoderState) -> Tensor:
        """Return the frames (R, lookahead, width) that still waited when the utterance ended."""
        batch = len(state.pending_BTM)
        return self.step(state.pending_BTM.new_zeros(batch, self.lookahead * self.subsampling, self.n_mels), state)[0]

    def forward(self, whole_BTM: Tensor, cohorts_B: Tensor | None = None) -> Tensor:
        """Map whole utterances, or a padded batch of them."""
        encoded_BTD, state = self.step(whole_BTM, self.initial_state(len(whole_BTM), cohorts_B))
        return torch.cat([encoded_BTD, self.finish(state)], dim=1) if self.lookahead else encoded_BTD
