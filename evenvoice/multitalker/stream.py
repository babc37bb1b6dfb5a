"""Hear two talkers while they speak.

    stream = TurnStream(recogniser, rate=16000)
    for block in blocks:
        for event in stream.feed(block):        # a turn has started, words were said, a turn has ended
            print(event)
    stream.finish()                             # what was still open
    stream.turns                                # the same as of the whole recording, in the order in which they end

Nothing is taken back: greedy search settles every label when it writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from evenvoice.data.features import LogMel
from evenvoice.data.streaming import StreamingLogMel
from evenvoice.decoding.greedy import GreedyDecoder
from evenvoice.decoding.search import Hypothesis, Search, Token, Tokens
from evenvoice.errors import ParamsError
from evenvoice.models.recogniser import Recogniser
from evenvoice.multitalker.labels import TurnLabels
from evenvoice.multitalker.turns import TimedTurn


@dataclass(frozen=True, kw_only=True)
class Event:
    """What has just been told.

    Attributes:
        kind: a turn starts, whole words of it were said, or it ends.
        at_s: seconds of speech that it took to tell.
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
        self._search: Search[Any] = GreedyDecoder(recogniser.transducer.eval())
        self._front_end = StreamingLogMel(LogMel(recogniser.featurize, recogniser.sample_rate), rate)
        self._state = self._search.initial_state(1)
        self._frames = 0
        self.turns: list[TimedTurn] = []
        """Those that have ended, in that order."""
        self._channels = [_Channel(number, recogniser, TurnLabels(recogniser.tokenizer, shape.tokens), self.turns)
                          for number in range(shape.channels)]

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

    def _events(self) -> list[Event]:
        return [event for channel, tokens in zip(self._channels, self._search.settled(self._state), strict=True)
                for event in channel.read(tokens)]

    def _decode(self, features_TM: NDArray[np.float32]) -> None:
        if len(features_TM):
            self._frames += len(features_TM)
            chunk_TM = torch.from_numpy(features_TM).to(self._recogniser.transducer.mean_M.device)
            self._state = self._search.step(chunk_TM[None], self._state)


class _Channel:
    """What was told of one channel; turns that end go to ``ended``."""

    def __init__(self, number: int, recogniser: Recogniser, labels: TurnLabels, ended: list[TimedTurn]) -> None:
        self._number, self._recogniser, self._labels, self._ended = number, recogniser, labels, ended
        self._read = 0
        """Tokens that are told of."""
        self._begun = 0
        """The first token of the turn that goes on."""
        self._told = 0
        """Words of that turn that are told of."""

    def read(self, tokens: Tokens) -> list[Event]:
        """Tell of tokens that are new."""
        events: list[Event] = []
        for place in range(self._read, len(tokens)):
            if tokens[place].label < self._labels.tokenizer.size:
                continue
            begins = self._labels.tokens == "turns" and tokens[place].label == self._labels.sot
            events += self._end(tokens, self._at_s(tokens[place]), before=place + (not begins))
            if begins:
                events.append(Event(kind="start", channel=self._number, at_s=self._at_s(tokens[place])))
        self._read = len(tokens)
        return [*events, *self._words(tokens[self._begun:])]

    def close(self, tokens: Tokens) -> list[Event]:
        """Tell of what was found last, and end the turn that goes on, whose end was never told."""
        events = self.read(tokens)
        return [*events, *(self._end(tokens, self._at_s(tokens[-1]), before=len(tokens)) if tokens else [])]

    def _words(self, tokens: Tokens) -> list[Event]:
        """Whole words that the turn has gained: the last one may go on."""
        units = [token for token in tokens if token.label < self._labels.tokenizer.size]
        text = self._labels.tokenizer.decode(token.label for token in units)
        new = text[:text.rfind(" ") + 1].split()[self._told:]
        self._told += len(new)
        return self._said(new, self._at_s(units[-1])) if new else []

    def _end(self, tokens: Tokens, at_s: float, *, before: int) -> list[Event]:
        """End the turn of the tokens up to one of them, if they are a turn."""
        hypothesis = Hypothesis.of(tokens[self._begun:before], 0.0)
        found = self._labels.heard(hypothesis, self._number, self._recogniser.frame_s, self._recogniser.lookahead_s)
        told, self._told, self._begun = self._told, 0, before
        self._ended += found
        return [event for turn in found for event in (
            *self._said(turn.text.split()[told:], at_s),
            Event(kind="end", channel=self._number, at_s=at_s, text=turn.text))]

    def _said(self, words: Sequence[str], at_s: float) -> list[Event]:
        return [Event(kind="words", channel=self._number, at_s=at_s, text=" ".join(words))] if words else []

    def _at_s(self, token: Token) -> float:
        return (token.frame + 1) * self._recogniser.frame_s + self._recogniser.lookahead_s
