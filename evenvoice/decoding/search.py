"""What greedy and beam search share: the interface, the stream of encoder frames, the result.

Tensor names: B utterance, T frame, M mel band, J joiner channel.

A search reads log-mel frames in chunks of any size. Whole utterances, padded into a batch, are one chunk with its
lengths; so offline and streaming run the same code and find the same.

    state = search.initial_state(batch)
    for chunk_BTM in chunks:
        state = search.step(chunk_BTM, state)
        search.stable(state)                    # labels that nothing to come can change
    search.finish(state)                        # n-best hypotheses of each utterance
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from evenvoice.models.encoder import EncoderState
from evenvoice.models.transducer import Transducer

FRAMES_AT_ONCE = 64
"""Encoder frames whose scores are kept until their log-probabilities are computed together; bounds memory."""

MAX_SYMBOLS_PER_FRAME = 4
"""Labels that one encoder frame may emit, wherever a model is judged or served: 100 per second at 40 ms, far more than
anybody says."""

MemoryT = TypeVar("MemoryT")


class Token(NamedTuple):
    """A label, the encoder frame that emitted it, and its log-probability there."""

    label: int
    frame: int
    log_prob: float


Tokens = tuple[Token, ...]


@dataclass(frozen=True)
class Hypothesis:
    """What may have been said in one utterance.

    Times are those of emission: a streaming model writes a label once it has heard enough of it, often a little after
    the sound began.
    """

    labels: tuple[int, ...]
    frames: tuple[int, ...]
    """Encoder frame that emitted each label."""
    confidence: tuple[float, ...]
    """Probability of each label, among all labels and blank, at the node of the lattice that emitted it."""
    score: float
    """Log-probability of all alignments of these labels that the search kept; greedy search keeps one."""

    @classmethod
    def of(cls, tokens: Tokens, score: float) -> Hypothesis:
        """Unzip tokens."""
        return cls(labels=tuple(token.label for token in tokens), frames=tuple(token.frame for token in tokens),
                   confidence=tuple(math.exp(token.log_prob) for token in tokens), score=score)

    def times_s(self, frame_s: float) -> tuple[float, ...]:
        """Seconds from the beginning of the utterance to the beginning of the frame that emitted each label."""
        return tuple(frame * frame_s for frame in self.frames)


@dataclass(frozen=True)
class SearchState(Generic[MemoryT]):
    """What is remembered of a batch between chunks; ``memory`` is the search's own."""

    encoder: EncoderState
    frames: int
    """Encoder frames read so far."""
    lengths_B: Tensor | None
    """Encoder frames of each utterance, where whole ones are padded."""
    memory: MemoryT


class Search(ABC, Generic[MemoryT]):
    """Decodes a batch of streams that advance together.

    Args:
        transducer: the model, in evaluation mode.
        max_symbols_per_frame: labels that one encoder frame may emit.
    """

    def __init__(self, transducer: Transducer, max_symbols_per_frame: int = MAX_SYMBOLS_PER_FRAME) -> None:
        self._transducer = transducer
        self._limit = max_symbols_per_frame

    @torch.inference_mode()
    def initial_state(self, batch: int, cohorts_B: Tensor | None = None) -> SearchState[MemoryT]:
        """Return the state before the first chunk.

        Args:
            batch: streams. Where talkers are told apart, each has as many rows of hypotheses as channels.
            cohorts_B: number of each speaker's cohort, for a model with a cohort input; None where none is known.
        """
        return SearchState(encoder=self._transducer.encoder.initial_state(batch, cohorts_B), frames=0, lengths_B=None,
                           memory=self._begin(batch * self._transducer.channels))

    @torch.inference_mode()
    def step(self, chunk_BTM: Tensor, state: SearchState[MemoryT],
             frame_lengths_B: Tensor | None = None) -> SearchState[MemoryT]:
        """Decode the next log-mel frames.

        Args:
            chunk_BTM: (B, T, n_mels) frames, any T.
            state: from the chunk before.
            frame_lengths_B: (B,) real frames of each row, where this one chunk is whole utterances, padded.
        """
        lengths_B = state.lengths_B
        if frame_lengths_B is not None:
            frame_lengths_B = frame_lengths_B.to(chunk_BTM.device)
            chunk_BTM = self._silent_behind(chunk_BTM, frame_lengths_B)
            lengths_B = self._transducer.encoded_lengths(frame_lengths_B)
        encoded_BTD, encoder = self._transducer.encode_chunk(chunk_BTM, state.encoder)
        return self._read(encoded_BTD, SearchState(encoder, state.frames, lengths_B, state.memory))

    @torch.inference_mode()
    def finish(self, state: SearchState[MemoryT]) -> list[list[Hypothesis]]:
        """Decode what look-ahead still owes; return the hypotheses of each utterance, the most probable first."""
        return self._hypotheses(self.at_end(state).memory)

    @torch.inference_mode()
    def at_end(self, state: SearchState[MemoryT]) -> SearchState[MemoryT]:
        """Decode what look-ahead still owes; the state is good for nothing but its hypotheses then."""
        if not self._transducer.encoder.lookahead:
            return state
        return self._read(self._transducer.encode_end(state.encoder), state)

    def stable(self, state: SearchState[MemoryT]) -> list[tuple[int, ...]]:
        """Return the labels that every hypothesis of each utterance begins with, whatever comes."""
        return [tuple(token.label for token in tokens) for tokens in self.settled(state)]

    def settled(self, state: SearchState[MemoryT]) -> Sequence[Tokens]:
        """Return these labels with the frames that emitted them."""
        return self._agreed(state.memory)

    @abstractmethod
    def _begin(self, batch: int) -> MemoryT:
        """The memory before the first frame."""

    @abstractmethod
    def _search(self, frame_BTJ: Tensor, running_TB: Tensor, first: int, memory: MemoryT) -> MemoryT:
        """Decode projected encoder frames, the first of which is number ``first``."""

    @abstractmethod
    def _hypotheses(self, memory: MemoryT) -> list[list[Hypothesis]]:
        """N-best of each utterance."""

    @abstractmethod
    def _agreed(self, memory: MemoryT) -> Sequence[Tokens]:
        """What all hypotheses of an utterance begin with; of the best one where they differ in times."""

    def _read(self, encoded_BTD: Tensor, state: SearchState[MemoryT]) -> SearchState[MemoryT]:
        frames, memory = state.frames, state.memory
        if encoded_BTD.shape[1] == 0:
            return state
        for frame_BTJ in self._transducer.joiner.frame(encoded_BTD).split(FRAMES_AT_ONCE, dim=1):
            memory = self._search(frame_BTJ, self._running(frame_BTJ, frames, state.lengths_B), frames, memory)
            frames += frame_BTJ.shape[1]
        return SearchState(state.encoder, frames, state.lengths_B, memory)

    def _running(self, frame_BTJ: Tensor, first: int, lengths_B: Tensor | None) -> Tensor:
        batch, frames = frame_BTJ.shape[:2]
        if lengths_B is None:
            return torch.ones(frames, batch, dtype=torch.bool, device=frame_BTJ.device)
        return torch.arange(first, first + frames, device=frame_BTJ.device)[:, None] < lengths_B

    def _silent_behind(self, chunk_BTM: Tensor, frame_lengths_B: Tensor) -> Tensor:
        """Look-ahead hears the mean of speech behind an utterance, in company as alone."""
        real_BT = torch.arange(chunk_BTM.shape[1], device=chunk_BTM.device) < frame_lengths_B[:, None]
        return torch.where(real_BT[..., None], chunk_BTM, self._transducer.mean_M)
