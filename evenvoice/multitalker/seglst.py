"""What was said, read from SegLST: a JSON list of segments with session_id, speaker, words, start_time and end_time.

Times are seconds, as numbers or as text; ``duration`` may stand in place of ``end_time``, as NeMo writes it. Fields
beyond these are not used. A recording in which nobody speaks has an empty list.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from evenvoice.data.corpora.files import shown
from evenvoice.data.spelling import one_spelling
from evenvoice.data.text import control_character, normalise
from evenvoice.errors import CorpusError
from evenvoice.multitalker.turns import Turn, by_start, channels_of

FIELDS: Final = "Write session_id, speaker, words, start_time and end_time."
ROUNDING_S: Final = 0.01
"""Annotations round their times, so a turn that ends so little behind the recording ends with it."""


def read_seglst(content: bytes, name: str) -> list[Turn]:
    """Read the turns of one recording, by start; text is normalised and each speaker in one spelling.

    Args:
        name: of the file, for error messages.

    Raises:
        CorpusError: not such a list; a segment lacks a field, has a time that is none, lasts no time or says nothing;
            several sessions; more than two turns at once.
    """
    segments = [_Segment(values, f"segment {number} of {name}") for number, values in enumerate(_listed(content, name),
                                                                                                start=1)]
    sessions = {segment.text("session_id"): segment for segment in segments}
    if len(sessions) > 1:
        first, second, *_ = sessions
        raise CorpusError(name=sessions[second].where, rule=f"belong to the session of the others, {shown(first)}",
                          value=shown(second), action="Write one file for each recording, and name its session alike.")
    turns = by_start([segment.turn() for segment in segments])
    channels_of(turns, name)
    return turns


def check_within(turns: Sequence[Turn], duration_s: float, name: str) -> list[Turn]:
    """Return the turns, of which those that end up to 10 ms behind the recording end with it.

    Args:
        duration_s: length of the recording.
        name: of the file that they were read from.

    Raises:
        CorpusError: a turn lies beyond the recording.
    """
    for turn in turns:
        if turn.start_s >= duration_s or turn.end_s > duration_s + ROUNDING_S:
            raise CorpusError(name=f"turn from {turn.start_s:.3f} to {turn.end_s:.3f} s of {name}",
                              rule="lie within the recording", value=f"one of {duration_s:.3f} s",
                              action="Correct the times, or bring the recording that belongs to them.")
    return [replace(turn, end_s=min(turn.end_s, duration_s)) for turn in turns]


@dataclass(frozen=True)
class _Segment:
    values: dict[str, object]
    where: str

    def turn(self) -> Turn:
        start_s = self._time("start_time")
        if self._is_there("end_time") or not self._is_there("duration"):
            end_s = self._time("end_time")
        else:
            end_s = start_s + self._time("duration")
        if not start_s < end_s < math.inf:
            raise self._wrong("end after it begins", f"{start_s:g} to {end_s:g} s", "Correct the times.")
        return Turn(speaker=self._speaker(), start_s=start_s, end_s=end_s, text=self._words())

    def text(self, field: str) -> str:
        value = self._value(field)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self._wrong(f"have text as {field}", _shown(value), "Write it as a string.")
        text = str(value)
        if any("\ud800" <= char <= "\udfff" for char in text):  # JSON can spell half of a pair, which no file can hold
            raise self._wrong(f"have Unicode text as {field}", _shown(text), "Write the character as a whole.")
        return text

    def _speaker(self) -> str:
        speaker = one_spelling(self.text("speaker"))
        if not speaker:
            raise self._wrong("name its speaker", "nothing", "Fill in the speaker, or remove the segment.")
        return speaker

    def _words(self) -> str:
        said = self.text("words")
        control = control_character(said)
        if control is not None:
            raise self._wrong("have words without control characters", f"U+{ord(control):04X}",
                              "Remove the character: the file may be damaged.")
        words = normalise(said)
        if not words:
            raise self._wrong("have words with a letter or digit", _shown(said),
                              "Transcribe it, or remove the segment where nobody speaks.")
        return words

    def _time(self, field: str) -> float:
        value = self._value(field)
        try:
            seconds = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
        except (ValueError, OverflowError):
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            raise self._wrong(f"have a number of seconds, at least 0, as {field}", _shown(value), "Correct it.")
        return seconds

    def _value(self, field: str) -> object:
        if not self._is_there(field):
            raise self._wrong(f"have {field}", f"only {', '.join(map(repr, self.values)) or 'nothing'}", FIELDS)
        return self.values[field]

    def _is_there(self, field: str) -> bool:
        return self.values.get(field) is not None

    def _wrong(self, rule: str, value: str, action: str) -> CorpusError:
        return CorpusError(name=self.where, rule=rule, value=value, action=action)


def _listed(content: bytes, name: str) -> list[dict[str, object]]:
    try:
        segments = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CorpusError(name=name, rule="be JSON", value=f"{shown(content)} ({error})",
                          action="Write SegLST: a list of segments.") from error
    if not isinstance(segments, list):
        raise CorpusError(name=name, rule="be a list of segments", value=_shown(segments),
                          action="Write SegLST: a list of segments, also for a single one.")
    for number, values in enumerate(segments, start=1):
        if not isinstance(values, dict):
            raise CorpusError(name=f"segment {number} of {name}", rule="be a JSON object", value=_shown(values),
                              action=FIELDS)
    return segments


def _shown(value: object) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return shown(value) if isinstance(value, str) else repr(value)[:80]
