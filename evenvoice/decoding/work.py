"""How much of its work an encoder with gates did on each recording, on speech and on silence.

Tensor names: B utterance, T encoder frame, M mel band.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evenvoice.models.gates import Work, gating
from evenvoice.models.padding import Padded
from evenvoice.models.transducer import Transducer

SILENCE_DB: Final = 30.0
"""An encoder frame so far below the loudest of its recording counts as silence [design]."""


class Done(NamedTuple):
    """Multiply-accumulates of an encoder: those done, and those of the same encoder without gates."""

    executed: float
    dense: float
    executed_in_silence: float
    dense_in_silence: float


    @property
    def share(self) -> float | None:
        """Done of those without gates; None for an encoder without any."""
        return self.executed / self.dense if self.dense else None


class WorkMeter:
    """Adds up what gates let through while recordings are transcribed.

    Args:
        recordings: how many there are.
    """

    def __init__(self, recordings: int) -> None:
        self._done: NDArray[np.float64] = np.zeros((recordings, len(Done._fields)))

    @property
    def done(self) -> list[Done]:
        """Of each recording; zeros for an encoder without gates."""
        return [Done(*row) for row in self._done.tolist()]

    @contextmanager
    def reading(self, recordings: Sequence[int], padded: Padded, transducer: Transducer) -> Iterator[None]:
        """Within, a batch of whole ``recordings`` is read, in one step.

        Frames behind an utterance, which padding or look-ahead adds, do not count.
        """
        with gating() as steps:
            yield
        if steps:
            lengths_B = transducer.encoded_lengths(padded.frame_lengths_B)
            silent_BT = silent_frames(padded.features_BTM, lengths_B, transducer.encoder.subsampling)
            self._done[list(recordings)] = _summed(steps[0], lengths_B, silent_BT).tolist()


def silent_frames(features_BTM: Tensor, lengths_B: Tensor, stack: int) -> Tensor:
    """Encoder frames (B, T') of log-mel features (B, T, M) that are silence, ``stack`` frames to each."""
    batch, frames = len(features_BTM), features_BTM.shape[1] // stack
    level_BT = features_BTM[:, :frames * stack].reshape(batch, frames, -1).mean(dim=2)
    real_BT = _real(lengths_B, frames)
    loudest_B1 = level_BT.masked_fill(~real_BT, -torch.inf).amax(dim=1, keepdim=True)
    silent_BT: Tensor = level_BT < loudest_B1 - SILENCE_DB * (np.log(10) / 10)
    return silent_BT


def _summed(work: Work, lengths_B: Tensor, silent_BT: Tensor) -> Tensor:
    """(B, 4) as :class:`Done` has them."""
    real_BT = _real(lengths_B, work.executed_BT.shape[1])
    parts = [per_frame_BT.cpu().double() * real_BT * counted_BT
             for counted_BT in (torch.ones_like(silent_BT), silent_BT)
             for per_frame_BT in (work.executed_BT, work.dense_BT)]
    return torch.stack([part.sum(dim=1) for part in parts], dim=1)


def _real(lengths_B: Tensor, frames: int) -> Tensor:
    return torch.arange(frames) < lengths_B.cpu()[:, None]
