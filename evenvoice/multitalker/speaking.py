"""When somebody speaks: turns less the pauses in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from evenvoice.multitalker.turns import Turn

Span = tuple[float, float]
QUIET_S: Final = 0.1
"""A turn ends in silence when nobody else speaks from its end until so much later."""


def speech_spans(turn: Turn) -> list[Span]:
    """The parts of a turn that are no pause, each from and to, in order."""
    spans, start_s = [], turn.start_s
    for pause_start_s, pause_end_s in sorted(turn.pauses):
        spans.append((start_s, pause_start_s))
        start_s = max(start_s, pause_end_s)
    spans.append((start_s, turn.end_s))
    return [(one, other) for one, other in spans if other > one]


def speech_s(turn: Turn) -> float:
    """Seconds of speech in a turn."""
    return sum(end_s - start_s for start_s, end_s in speech_spans(turn))


def end_in_silence(turns: Sequence[Turn]) -> list[bool]:
    """Of each turn, whether no other one has speech at its end or within :data:`QUIET_S` of it."""
    spans = [speech_spans(turn) for turn in turns]
    return [not any(start_s < turn.end_s + QUIET_S and end_s > turn.end_s
                    for other, found in enumerate(spans) if other != number for start_s, end_s in found)
            for number, turn in enumerate(turns)]


def overlapping(turns: Sequence[Turn]) -> bool:
    """Whether a turn begins before another one has ended; ``turns`` by start."""
    ends_s = [turn.end_s for turn in turns]
    return any(turn.start_s < max(ends_s[:number]) for number, turn in enumerate(turns) if number)
