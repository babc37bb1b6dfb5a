"""Hear two talkers while they speak.

    stream = TurnStream(recogniser, rate=16000)
    for block in blocks:
        for event in stream.feed(block):        # a turn has started, words were said, a turn has ended
            print(event)
    stream.finish()                             # what was still open
    stream.turns                                # the same as of the whole recording

Nothing is taken back: greedy search settles every label when it writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from evenvoice.data.features import LogMel
from evenvoice.data.streaming import StreamingLogMel
from evenvoice.decoding.greedy import GreedyDecoder
from evenvoice.decoding.search import Hypothesis, Search, Tokens
from evenvoice.errors import ParamsError
from evenvoice.models.recogniser import Recogniser
from evenvoice.multitalker.labels import TurnLabels
from evenvoice.multitalker.turns import TimedTurn


@dataclass(frozen=True, kw_only=True)
class Event:
    """What has just been told.

    Attributes:
        kind: a turn starts, whole words of it were said, or it ends.
        at_s: seconds of speech heard by then that it took to tell.
        text: the words; of an end, all of the turn.
    """

    kind: Literal["start", "words", "end"]
    channel: int
    at_s: float
    text: str = ""


class TurnStream:
    """One recording of up to two talkers at once, as it comes in.

    Args:
        recogniser: tells talkers apart, and marks their turns; decodes on the device on which its weights are.
        rate: of the samples, in Hz.

    Raises:
        ParamsError: a recogniser of one talker.
    """

    def __init__(self, recogniser: Recogniser, rate: int) -> None:
        shape = recogniser.separator
        if shape is None:
            raise ParamsError(name="the recogniser", rule="tell talkers apart", value="one of one talker",
                              action="Name one that `make run DAG=train_multitalker` trained (--model).")
        self._recogniser = recogniser
        self._labels = TurnLabels(recogniser.tokenizer, shape.tokens)
        self._search: Search[Any] = GreedyDecoder(recogniser.transducer.eval())
        self._front_end = StreamingLogMel(LogMel(recogniser.featurize, recogniser.sample_rate), rate)
        self._state = self._search.initial_state(1)
        self._frames = 0
        self._channels = [_Channel(number, self._labels, recogniser.frame_s) for number in range(shape.channels)]

    def feed(self, samples: NDArray[np.float32]) -> list[Event]:
        """Hear the next (T,) samples; return what they let tell, in the order of the channels."""
        self._decode(self._front_end.feed(samples))
        return self._events()

    def finish(self) -> list[Event]:
        """End the recording; return what was told at the very end."""
        self._decode(self._front_end.finish())
        transducer = self._recogniser.transducer
        missing = max(0, transducer.encoder.subsampling - self._frames)
        self._decode(np.repeat(transducer.mean_M.cpu().numpy()[None], missing, axis=0))
        self._state = self._search.at_end(self._state)
        return [event for channel, tokens in zip(self._channels, self._search.settled(self._state), strict=True)
                for event in channel.close(tokens)]

    @property
    def turns(self) -> list[TimedTurn]:
        """What has ended so far, by channel."""
        return [turn for channel in self._channels for turn in channel.turns]

    def _events(self) -> list[Event]:
        return [event for channel, tokens in zip(self._channels, self._search.settled(self._state), strict=True)
                for event in channel.read(tokens)]

    def _decode(self, features_TM: NDArray[np.float32]) -> None:
        if len(features_TM):
            self._frames += len(features_TM)
            chunk_TM = torch.from_numpy(features_TM).to(self._recogniser.transducer.mean_M.device)
            self._state = self._search.step(chunk_TM[None], self._state)


class _Channel:
    """What was told of one channel."""

    def __init__(self, number: int, labels: TurnLabels, frame_s: float) -> None:
        self.turns: list[TimedTurn] = []
        self._number, self._labels, self._frame_s = number, labels, frame_s
        self._read = 0
        """Tokens that are told of."""
        self._begun = 0
        """The first token of the turn that goes on."""
        self._said = ""

    def read(self, tokens: Tokens) -> list[Event]:
        """Tell of tokens that are new."""
        events: list[Event] = []
        for place in range(self._read, len(tokens)):
            label = tokens[place].label
            if label < self._labels.tokenizer.size:
                continue
            at_s = (tokens[place].frame + 1) * self._frame_s
            begins = self._labels.tokens == "turns" and label == self._labels.sot
            events += self._ended(tokens[self._begun:place + (not begins)], at_s, place + (not begins))
            if begins:
                self._begun = place
                events.append(Event(kind="start", channel=self._number, at_s=at_s))
        self._read = len(tokens)
        return [*events, *self._words(tokens[self._begun:])]

    def close(self, tokens: Tokens) -> list[Event]:
        """Tell of what was found last, and end the turn that goes on, whose end was never told."""
        events = self.read(tokens)
        last_s = (tokens[-1].frame + 1) * self._frame_s if tokens else 0.0
        return [*events, *self._ended(tokens[self._begun:], last_s, len(tokens))]

    def _words(self, tokens: Tokens) -> list[Event]:
        """Whole words that the turn has gained."""
        units = [token for token in tokens if token.label < self._labels.tokenizer.size]
        text = self._labels.tokenizer.decode(token.label for token in units)
        whole = text[:text.rfind(" ") + 1]
        new, self._said = whole[len(self._said):].strip(), max(whole, self._said, key=len)
        at_s = (units[-1].frame + 1) * self._frame_s if units else 0.0
        return [Event(kind="words", channel=self._number, at_s=at_s, text=new)] if new else []

    def _ended(self, tokens: Tokens, at_s: float, begun: int) -> list[Event]:
        self._begun = begun
        found = self._labels.heard(Hypothesis.of(tokens, 0.0), self._number, self._frame_s) if tokens else []
        self.turns += found
        rest = [turn.text[len(self._said.lstrip()):].strip() for turn in found]
        self._said = ""
        return [event for turn, left in zip(found, rest, strict=True) for event in (
            *([Event(kind="words", channel=self._number, at_s=at_s, text=left)] if left else []),
            Event(kind="end", channel=self._number, at_s=at_s, text=turn.text))]
