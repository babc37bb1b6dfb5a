"""What a recogniser of two talkers is to learn of a mixture: labels of both channels, ends, and who speaks when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from evenvoice.multitalker.labels import TurnLabels
from evenvoice.multitalker.store import MixtureStore
from evenvoice.multitalker.turns import Turn, channels_of
from evenvoice.training.objective import Targets


@dataclass(frozen=True)
class TurnTargets:
    """Makes the targets of mixtures.

    Attributes:
        frame_s: seconds of an encoder frame.
        lookahead: encoder frames that an output waits for: a label is due so many frames earlier, to be told in time.
    """

    store: MixtureStore
    labels: TurnLabels
    frame_s: float
    lookahead: int = 0

    def __call__(self, indices: NDArray[np.int64], frames: int) -> Targets:
        """Targets of these mixtures in two rows each, for so many encoder frames.

        Raises:
            CorpusError: a mixture has three turns at once.
        """
        channels = [channel for i in indices
                    for channel in channels_of(self.store.turns[i], str(self.store.ids[i]))]
        labels = [self.labels.of(channel) for channel in channels]
        longest = max(map(len, labels))
        labels_RU = np.zeros((len(labels), longest), np.int64)
        due_RU = np.full((len(labels), longest), np.nan, np.float32)
        for row, of_channel in enumerate(labels):
            labels_RU[row, :len(of_channel)] = [one.label for one in of_channel]
            due_RU[row, :len(of_channel)] = [np.nan if one.at_s is None else self._frame_told_at(one.at_s)
                                             for one in of_channel]
        return Targets(labels_BU=torch.from_numpy(labels_RU),
                       label_lengths_B=torch.tensor([len(of_channel) for of_channel in labels]),
                       due_BU=torch.from_numpy(due_RU),
                       active_BT=torch.from_numpy(active(channels, frames, self.frame_s)))

    def _frame_told_at(self, time_s: float) -> float:
        """The encoder frame whose labels are told then."""
        return time_s / self.frame_s - 1 - self.lookahead


def active(channels: Sequence[Sequence[Turn]], frames: int, frame_s: float) -> NDArray[np.bool_]:
    """(R, T) whether the turn of a channel is heard in the middle of a frame; not in its pauses."""
    middle_T = (np.arange(frames) + 0.5) * frame_s
    active_RT = np.zeros((len(channels), frames), dtype=bool)
    for row, turns in enumerate(channels):
        for turn in turns:
            active_RT[row] |= (turn.start_s <= middle_T) & (middle_T < turn.end_s)
            for start_s, end_s in turn.pauses:
                active_RT[row] &= (middle_T < start_s) | (end_s <= middle_T)
    return active_RT
