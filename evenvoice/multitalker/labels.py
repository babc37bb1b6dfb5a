"""From turns to the labels of two channels, and back.

Labels of turns stand behind the tokenizer's units, which stay as they are:

    turns       <sot> words <eot>  <sot> words <eot> ...
    separator   words  <turn>  words ...
    none        words  words ...                           with a space between turns

A label is told at the end of the encoder frame that emits it, and of those that it waits for where the encoder looks
ahead. Its last sample has been heard then, but for what the last window of that frame reaches beyond its hop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from evenvoice.data.tokenizer import Tokenizer
from evenvoice.decoding.search import Hypothesis
from evenvoice.decoding.words import words_of
from evenvoice.multitalker.turns import TimedTurn, Turn

Tokens = Literal["none", "separator", "turns"]
FURTHER: Final[dict[str, int]] = {"none": 0, "separator": 1, "turns": 2}
"""Labels that each kind needs behind the units."""


class Due(NamedTuple):
    """A label, and when it is due; None where it may come at any time."""

    label: int
    at_s: float | None


@dataclass(frozen=True)
class TurnLabels:
    """Labels of turns over the units of a tokenizer."""

    tokenizer: Tokenizer
    tokens: Tokens

    @property
    def sot(self) -> int:
        """What begins a turn."""
        return self.tokenizer.size

    @property
    def eot(self) -> int:
        """What ends a turn."""
        return self.tokenizer.size + 1

    @property
    def separator(self) -> int:
        """What stands between turns."""
        return self.tokenizer.size

    def of(self, turns: Sequence[Turn]) -> list[Due]:
        """Labels of one channel; of all of them only ends of turns are due at a time."""
        labels: list[Due] = []
        for place, turn in enumerate(turns):
            words = self.tokenizer.encode(f" {turn.text}" if self.tokens == "none" and place else turn.text)
            if self.tokens == "turns":
                labels += [Due(self.sot, None), *(Due(label, None) for label in words), Due(self.eot, turn.end_s)]
                continue
            if self.tokens == "separator" and place:
                labels.append(Due(self.separator, None))
            labels += [Due(label, None) for label in words]
        return labels

    def heard(self, hypothesis: Hypothesis, channel: int, frame_s: float, waits_s: float = 0.0) -> list[TimedTurn]:
        """Turns of one channel from what a search found.

        Without tokens all of a channel is one turn, which has neither start nor end. With <sot> and <eot> words outside
        of a turn make one of their own, whose start or end was never told. What has neither words nor a start is no
        turn.

        Args:
            hypothesis: of the channel.
            channel: its number.
            frame_s: seconds of an encoder frame.
            waits_s: seconds that the encoder looks ahead, by which turns are told later.
        """
        turns = [_turn(part, hypothesis, self.tokenizer, channel, frame_s, waits_s) for part in self._parts(hypothesis)]
        return [turn for turn in turns if turn.words or turn.start_s is not None]

    def _parts(self, hypothesis: Hypothesis) -> Iterable[_Part]:
        part = _Part(None, [], None)
        for place, label in enumerate(hypothesis.labels):
            if label < self.tokenizer.size:
                part.places.append(place)
            elif self.tokens == "separator":
                yield part
                part = _Part(None, [], None)
            elif label == self.sot:
                if part.places or part.start is not None:
                    yield part
                part = _Part(place, [], None)
            else:
                yield part._replace(end=place)
                part = _Part(None, [], None)
        yield part


class _Part(NamedTuple):
    """Places in a hypothesis: of <sot>, of units, of <eot>."""

    start: int | None
    places: list[int]
    end: int | None


def _turn(part: _Part, hypothesis: Hypothesis, tokenizer: Tokenizer, channel: int, frame_s: float,
          waits_s: float) -> TimedTurn:
    units = Hypothesis(labels=tuple(hypothesis.labels[place] for place in part.places),
                       frames=tuple(hypothesis.frames[place] for place in part.places),
                       confidence=tuple(hypothesis.confidence[place] for place in part.places), score=hypothesis.score)
    start_s, end_s = (None if place is None else (hypothesis.frames[place] + 1) * frame_s + waits_s
                      for place in (part.start, part.end))
    text = " ".join(tokenizer.decode(units.labels).split())
    return TimedTurn(channel=channel, start_s=start_s, end_s=end_s, text=text,
                     words=words_of(units, tokenizer, frame_s))
