"""Which turn that was heard is which turn that was said, by time alone, and how late its start and its end were told.

A heard turn belongs to the said turn that it is most alike in time: what both take, over what either takes. The time
that both take would not do by itself. A short turn within a long one, told a moment late, has more in common with the
long one, which would then count as cut off there. Told latencies are never left out for being large.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from evenvoice.multitalker.speaking import Span, end_in_silence
from evenvoice.multitalker.turns import HeardTurn, Turn, channels_of

MOMENT_S: Final = 0.01
"""A turn that was told to start and end at once takes so long."""
ALIKE_DIGITS: Final = 9
"""Two turns are equally alike a third one where so many digits are the same: rounding must not decide."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of a turn that was said.

    Attributes:
        into_silence: nobody else speaks when it ends.
        sot_latency_s: from its start until a start was told; None where no turn was heard for it.
        eot_latency_s: from its end until an end was first told, negative while it went on; None where none was told.
        cut: its end was told while it went on.
    """

    into_silence: bool
    sot_latency_s: float | None
    eot_latency_s: float | None
    cut: bool


def fates(said: Sequence[Turn], heard: Sequence[HeardTurn], *, duration_s: float, cut_tolerance_s: float, name: str
          ) -> list[Fate]:
    """What became of each turn of a recording.

    A turn may have been heard as several: its first told start and its first told end count, so that one which was
    ended in its own pause was cut off there.

    Args:
        heard: the turns of a channel in the order in which they were written.
        duration_s: of the recording.
        cut_tolerance_s: an end that is told earlier by no more than this does not cut a turn off.
        name: of the recording, for error messages.

    Raises:
        CorpusError: three turns at once.
    """
    owners = owners_of(said, heard, duration_s=duration_s, name=name)
    quiet = end_in_silence(said)
    found = []
    for number, turn in enumerate(said):
        own = [one for one, owner in zip(heard, owners, strict=True) if owner == number]
        starts = [one.start_s for one in own if one.start_s is not None]
        ends = [one.end_s for one in own if one.end_s is not None]
        late_s = min(ends) - turn.end_s if ends else None
        found.append(Fate(into_silence=quiet[number], sot_latency_s=min(starts) - turn.start_s if starts else None,
                          eot_latency_s=late_s, cut=late_s is not None and late_s < -cut_tolerance_s))
    return found


def owners_of(said: Sequence[Turn], heard: Sequence[HeardTurn], *, duration_s: float, name: str) -> list[int | None]:
    """Of each heard turn, the number of the said turn that it belongs to.

    Of said turns that are equally alike, the one on its own channel, as :func:`channels_of` has it. A heard turn that
    shares no time with any belongs to the one that had ended last when it was told: very short turns are over before.
    None where there is no such turn, or where the model tells no times.

    Raises:
        CorpusError: three turns at once.
    """
    channels = channel_numbers(said, name)
    return [None if span is None else _owner(said, channels, one.channel, span)
            for one, span in zip(heard, _spans(heard, duration_s), strict=True)]


def channel_numbers(said: Sequence[Turn], name: str) -> list[int]:
    """Of each turn, the channel that :func:`channels_of` has it on.

    Raises:
        CorpusError: three turns at once.
    """
    channel_of = {id(turn): channel for channel, turns in enumerate(channels_of(said, name)) for turn in turns}
    return [channel_of[id(turn)] for turn in said]


def _spans(heard: Sequence[HeardTurn], duration_s: float) -> Iterator[Span | None]:
    """From and to when each heard turn lasts: until the next of its channel where no end was told.

    One whose end alone was told is taken for a moment there.
    """
    for place, one in enumerate(heard):
        if one.start_s is None:
            yield None if one.end_s is None else (one.end_s - MOMENT_S, one.end_s)
            continue
        later = (other.start_s for other in heard[place + 1:] if other.channel == one.channel)
        next_s = next((start_s for start_s in later if start_s is not None), duration_s)
        yield one.start_s, max(next_s if one.end_s is None else one.end_s, one.start_s + MOMENT_S)


def _owner(said: Sequence[Turn], channels: Sequence[int], channel: int, span: Span) -> int | None:
    alike = [round(_alike(turn, span), ALIKE_DIGITS) for turn in said]
    if any(alike):
        return max(range(len(said)), key=lambda number: (alike[number], channels[number] == channel, -number))
    over = [number for number, turn in enumerate(said) if turn.end_s <= span[0]]
    return max(over, key=lambda number: said[number].end_s, default=None)


def _alike(turn: Turn, span: Span) -> float:
    """Time that both take over time that either takes, 0 to 1."""
    start_s, end_s = span
    both = min(turn.end_s, end_s) - max(turn.start_s, start_s)
    return max(0.0, both) / (max(turn.end_s, end_s) - min(turn.start_s, start_s))
