"""Turns of speech, and the two channels that they are written to.

Turns sorted by their start go to the first channel that is free then (arXiv 2205.05199), so no search over permutations
is needed in training: whoever begins while another speaks is on the second channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evenvoice.errors import CorpusError

if TYPE_CHECKING:
    from evenvoice.decoding.word import Word

CHANNELS: Final = 2
"""Talkers at once, at most."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one speaker says without giving up the floor; times in seconds from the beginning of the recording.

    Attributes:
        text: normalised words.
        pauses: silences inside, each from and to.
    """

    speaker: str
    start_s: float
    end_s: float
    text: str
    pauses: tuple[tuple[float, float], ...] = ()

    @property
    def words(self) -> int:
        """Words of its text."""
        return len(self.text.split())


@dataclass(frozen=True, kw_only=True)
class HeardTurn:
    """What a recogniser heard as one turn.

    Attributes:
        channel: 0 or 1.
        start_s: when the start was told; None where a model tells none.
        end_s: when the end was told; None where it never was.
    """

    channel: int
    start_s: float | None
    end_s: float | None
    text: str


@dataclass(frozen=True, kw_only=True)
class TimedTurn(HeardTurn):
    """What a recogniser heard as one turn, with its words one by one."""

    words: tuple[Word, ...] = ()


def by_start(turns: Sequence[Turn]) -> list[Turn]:
    """In the order in which they begin; of those that begin together, the one that ends first."""
    return sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker))


def channels_of(turns: Sequence[Turn], name: str) -> tuple[list[Turn], ...]:
    """The turns of each channel, each in order.

    Raises:
        CorpusError: three turns at once; ``name`` says of which recording.
    """
    channels: tuple[list[Turn], ...] = tuple([] for _ in range(CHANNELS))
    for turn in by_start(turns):
        free = next((channel for channel in channels if not channel or channel[-1].end_s <= turn.start_s), None)
        if free is None:
            others = [channel[-1] for channel in channels]
            raise CorpusError(name=name, rule=f"have at most {CHANNELS} turns at once",
                              value=f"{', '.join(_span(one) for one in (*others, turn))}",
                              action="Correct the times, or leave the recording out: a model of two channels cannot "
                                     "write three.")
        free.append(turn)
    return channels


def _span(turn: Turn) -> str:
    return f"{turn.start_s:.2f} to {turn.end_s:.2f} s"
