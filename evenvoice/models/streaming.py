"""The streaming protocol: one code path for whole utterances and for chunks as they arrive.

Tensor names: B utterance, T frame, D channel.

A module implements ``step`` alone. ``forward`` is one step over the whole utterance from the initial state, so both
use the same weights in the same way. Nothing may look ahead: what stands after a frame, padding included, never
changes that frame's output.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from torch import Tensor, nn

StateT = TypeVar("StateT")


class Streaming(nn.Module, ABC, Generic[StateT]):
    """A module that reads an utterance in chunks; ``StateT`` is a frozen dataclass of what it remembers."""

    @abstractmethod
    def initial_state(self, batch: int) -> StateT:
        """Return what is remembered before the first frame of ``batch`` utterances."""

    @abstractmethod
    def step(self, chunk: Tensor, state: StateT) -> tuple[Tensor, StateT]:
        """Read the next chunk, of one frame or more, and return its output and what to remember."""

    def forward(self, whole: Tensor) -> Tensor:
        """Read a whole utterance, or a padded batch of them: padding goes behind, where it changes nothing."""
        return self.step(whole, self.initial_state(whole.shape[0]))[0]


class Layer(Streaming[StateT]):
    """A streaming module that maps (B, T, D) to (B, T, width), frame by frame.

    Attributes:
        width: channels of its output.
        macs_per_frame: multiply-accumulates of one frame; normalisation and activations are not counted.
    """

    width: int
    macs_per_frame: int

    @property
    def dense_macs_per_frame(self) -> int:
        """The same for a layer that decides which parts of it work: with all of them, and without deciding."""
        return self.macs_per_frame
