"""Heard turns as the files that other tools read: SegLST, STM, CTM, RTTM, and JSON of our own.

Speakers are channels, ``channel-1`` and ``channel-2``: whoever speaks on one of them may change from turn to turn.
Times are seconds with three decimals. STM, CTM and RTTM separate their fields by white space, so in them every
character of a session's name that is no letter, digit, ``.``, ``_`` or ``-`` becomes an underscore; SegLST and JSON
keep the name.

- SegLST (CHiME-7, MeetEval): a JSON list with one object per turn.
- STM (NIST): a line per turn, ``file channel speaker begin end words``.
- CTM (NIST): a line per word, ``file channel begin duration word confidence``. It knows no speakers, so its channel is
  the turn's, 1 or 2. Elsewhere the channel is that of the recording, which has one.
- RTTM (NIST, RT-09): a line per turn, without words. Turns that last no time are left out: readers refuse them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from evenvoice.multitalker.turns import TimedTurn

if TYPE_CHECKING:
    from evenvoice.decoding.word import Word

Form = Literal["seglst", "stm", "ctm", "rttm", "json"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)
_RECORDING_CHANNEL: Final = 1
_UNFIT: Final = re.compile(r"[^\w.-]")


@dataclass(frozen=True)
class _Written:
    """A turn as every format has it: times are known, and rounded before anything is computed with them."""

    turn: TimedTurn
    start_s: float
    end_s: float

    @property
    def speaker(self) -> str:
        return f"channel-{self.turn.channel + 1}"

    @property
    def text(self) -> str:
        return " ".join(self.turn.text.split())

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


def written(turns: Sequence[TimedTurn], *, session: str, form: Form) -> str:
    """Write out the turns of one recording, by start, with a line end at the end of every line.

    A turn whose start was not told begins with its first word, and one whose end was not told ends with its last word;
    without words too, it lasts no time. JSON is one line.

    Args:
        session: what the recording is called.

    Raises:
        ValueError: a turn without any time, or for CTM one with a text but without its words.
    """
    timed = sorted(map(_timed, turns), key=lambda one: (one.start_s, one.end_s, one.turn.channel))
    # a file's name need not be Unicode
    return _WRITERS[form](timed, session.encode("utf-8", "replace").decode())


def _timed(turn: TimedTurn) -> _Written:
    starts = (turn.start_s, *(word.start_s for word in turn.words[:1]), turn.end_s)
    ends = (turn.end_s, *(word.end_s for word in turn.words[-1:]), turn.start_s)
    start_s, end_s = (next((round(time, 3) for time in times if time is not None), None) for times in (starts, ends))
    if start_s is None or end_s is None:
        raise ValueError(f"a turn must have a time or words, got {turn}")
    return _Written(turn, start_s, max(start_s, end_s))


def _seglst(turns: Sequence[_Written], session: str) -> str:
    segments = [{"session_id": session, "speaker": one.speaker, "start_time": one.start_s, "end_time": one.end_s,
                 "words": one.text} for one in turns]
    return f"{json.dumps(segments, ensure_ascii=False, allow_nan=False, indent=2)}\n"


def _stm(turns: Sequence[_Written], session: str) -> str:
    return _lines((_name(session), _RECORDING_CHANNEL, one.speaker, _number(one.start_s), _number(one.end_s), one.text)
                  for one in turns)


def _ctm(turns: Sequence[_Written], session: str) -> str:
    # scoring tools expect the words of a channel together, and in order
    words = sorted(((one.turn.channel + 1, word) for one in turns for word in _words(one.turn)),
                   key=lambda pair: (pair[0], pair[1].start_s))
    return _lines((_name(session), channel, _number(word.start_s),
                   _number(round(word.end_s, 3) - round(word.start_s, 3)), "_".join(word.text.split()),
                   _number(word.confidence)) for channel, word in words)


def _words(turn: TimedTurn) -> tuple[Word, ...]:
    if turn.text and not turn.words:
        raise ValueError(f"a turn must have words with times to be written as CTM, got {turn}")
    return turn.words


def _rttm(turns: Sequence[_Written], session: str) -> str:
    return _lines(("SPEAKER", _name(session), _RECORDING_CHANNEL, _number(one.start_s), _number(one.duration_s), "<NA>",
                   "<NA>", one.speaker, "<NA>", "<NA>") for one in turns if one.duration_s > 0)


def _json(turns: Sequence[_Written], session: str) -> str:
    found = [{"speaker": one.speaker, "start_s": one.start_s, "end_s": one.end_s, "text": one.text,
              "words": [_rounded(word) for word in one.turn.words]} for one in turns]
    return f"{json.dumps({'session': session, 'turns': found}, ensure_ascii=False, allow_nan=False)}\n"


def _rounded(word: Word) -> dict[str, object]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(word).items()}


def _lines(rows: Iterable[tuple[object, ...]]) -> str:
    return "".join(f"{' '.join(map(str, row)).rstrip()}\n" for row in rows)


def _name(session: str) -> str:
    return _UNFIT.sub("_", session) or "_"


def _number(value: float) -> str:
    return f"{value:.3f}"


_WRITERS: Final[dict[Form, Callable[[Sequence[_Written], str], str]]] = {
    "seglst": _seglst, "stm": _stm, "ctm": _ctm, "rttm": _rttm, "json": _json}
