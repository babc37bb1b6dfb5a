"""``evenvoice transcribe --talkers 2``: turns of up to two people at once, with who-as-channel spoke when."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from evenvoice.commands.models import model_directory
from evenvoice.commands.recordings import STDIN, read_recording
from evenvoice.commands.speaker import OPTIONS

if TYPE_CHECKING:
    from evenvoice.models.recogniser import Recogniser
    from evenvoice.multitalker.stream import Event
    from evenvoice.multitalker.turns import TimedTurn

DEFAULT_MULTITALKER: Final = Path("reports/multitalker/model")
"""Where `make run DAG=train_multitalker` leaves the recogniser that it judged last."""
TWO: Final = 2
FORMATS: Final = ("text", "seglst", "stm", "ctm", "rttm", "json")
TOLD_AT_ONCE: Final = ("text", "json")
"""Formats that are printed while a stream is read."""
BLOCK_S: Final = 0.1
SINGLE: Final = {"beam": 1, "nbest": 1, **dict.fromkeys(OPTIONS.values())}
"""Options that are about one speaker or several hypotheses, and what they are where nobody gave them."""


def run(arguments: argparse.Namespace) -> int:
    """Obey the command line."""
    from evenvoice.errors import RecordingRejected
    from evenvoice.models.recogniser import Recogniser

    form = _form(arguments)
    recogniser = Recogniser.load(model_directory(
        arguments.model, default=DEFAULT_MULTITALKER, what="a recogniser of two talkers",
        made_by="make run DAG=train_multitalker"))
    _check(recogniser)
    status = 0
    for path in arguments.files:
        if form == "text" and len(arguments.files) > 1:
            print(f"{path}:", flush=True)
        try:
            turns = _streamed(recogniser, path, form) if arguments.stream else _whole(recogniser, path)
        except RecordingRejected as error:  # the others may be well
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            status = error.exit_code
        else:
            _print(turns, path, form, told=arguments.stream)
    return status


def _form(arguments: argparse.Namespace) -> str:
    """How turns are written.

    Raises:
        ParamsError: an option beside that is about one talker.
    """
    from evenvoice.errors import ParamsError

    for name, default in SINGLE.items():
        if getattr(arguments, name, default) != default:
            raise ParamsError(name=f"--{name.replace('_', '-')}", rule="be left out with --talkers 2",
                              value=getattr(arguments, name),
                              action="Leave it out: turns are searched for greedily, and a recording of several "
                                     "people has no one cohort.")
    if arguments.json and arguments.format not in (None, "json"):
        raise ParamsError(name="--json", rule=f"be left out with --format {arguments.format}", value="both",
                          action="Choose one of the two.")
    return "json" if arguments.json else arguments.format or "text"


def _check(recogniser: Recogniser) -> None:
    from evenvoice.errors import ParamsError

    if recogniser.separator is None:
        raise ParamsError(name="--model", rule="tell talkers apart with --talkers 2",
                          value="a recogniser of one talker",
                          action="Name one that `make run DAG=train_multitalker` trained, or leave --talkers out.")


def _whole(recogniser: Recogniser, path: Path) -> list[TimedTurn]:
    from evenvoice.multitalker.transcribing import hear_recording

    waveform = read_recording(path)
    return hear_recording(recogniser, waveform.samples, waveform.rate)


def _streamed(recogniser: Recogniser, path: Path, form: str) -> list[TimedTurn]:
    """Tell of turns while the file is read: as text those that end, as JSON every event."""
    from evenvoice.data.streaming import AudioBlocks
    from evenvoice.multitalker.stream import TurnStream

    with AudioBlocks(path, BLOCK_S) as blocks:
        stream, told = TurnStream(recogniser, blocks.rate), 0
        for block in blocks:
            told = _tell(stream.feed(block), stream.turns, told, form)
        _tell(stream.finish(), stream.turns, told, form)
    return stream.turns


def _tell(events: list[Event], turns: list[TimedTurn], told: int, form: str) -> int:
    if form == "json":
        for event in events:
            print(json.dumps({"event": event.kind, "at_s": round(event.at_s, 3), "channel": event.channel + 1,
                              **({"text": event.text} if event.text else {})}, ensure_ascii=False), flush=True)
    if form == "text":
        for turn in turns[told:]:
            print(_line(turn), flush=True)
    return len(turns)


def _print(turns: list[TimedTurn], path: Path, form: str, *, told: bool) -> None:
    from evenvoice.multitalker.formats import written

    if told and form in TOLD_AT_ONCE:
        return
    if form == "text":
        for turn in sorted(turns, key=_begin):
            print(_line(turn), flush=True)
        return
    session = "stdin" if path == STDIN else path.stem
    print(written(turns, session=session, form=form), end="", flush=True)  # type: ignore[arg-type]


def _line(turn: TimedTurn) -> str:
    """``0.84 -  3.12 s  1  will it snow``; a start or an end that was never told is left open."""
    start_s, end_s = ("    …" if time_s is None else f"{time_s:5.2f}" for time_s in (turn.start_s, turn.end_s))
    return f"{start_s} - {end_s} s  channel {turn.channel + 1}  {turn.text}"


def _begin(turn: TimedTurn) -> float:
    return turn.start_s if turn.start_s is not None else turn.words[0].start_s if turn.words else 0.0
