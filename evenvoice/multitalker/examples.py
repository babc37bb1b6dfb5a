"""A few mixtures to look at: who spoke when, and what was heard when.

Which ones they are follows from their names alone, not from how well they were heard: those of several speakers who
overlap go first, in the order of a hash of the name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from evenvoice.multitalker.heard import Said
from evenvoice.multitalker.matching import channel_numbers
from evenvoice.multitalker.speaking import overlapping
from evenvoice.multitalker.turns import HeardTurn, Turn

SHOWN: Final = 3


def examples(mixtures: Sequence[Said], heard: Mapping[str, Sequence[HeardTurn]]) -> list[dict[str, Any]]:
    """What examples.json holds; speakers are letters, in the order in which they begin to speak.

    Args:
        heard: of each mixture.
    """
    chosen = sorted((one for one in mixtures if one.turns), key=_order)[:SHOWN]
    return [{"mixture": one.name, "duration_s": _rounded(one.duration_s), "said": _said(one),
             "heard": [_shown(turn, turn.channel) for turn in heard[one.name]]} for one in chosen]


def _order(one: Said) -> tuple[bool, bool, str]:
    return len(one.speakers) < 2, not overlapping(one.turns), hashlib.sha256(one.name.encode()).hexdigest()


def _said(one: Said) -> list[dict[str, Any]]:
    letters = {speaker: _letter(number) for number, speaker in enumerate(one.speakers)}
    return [{**_shown(turn, channel), "speaker": letters[turn.speaker]}
            for turn, channel in zip(one.turns, channel_numbers(one.turns, one.name), strict=True)]


def _shown(turn: Turn | HeardTurn, channel: int) -> dict[str, Any]:
    return {"channel": channel, "start_s": _rounded(turn.start_s), "end_s": _rounded(turn.end_s), "text": turn.text}


def _rounded(time_s: float | None) -> float | None:
    return None if time_s is None else round(time_s, 3)


def _letter(number: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    first, last = divmod(number, 26)
    return (_letter(first - 1) if first else "") + chr(ord("A") + last)
