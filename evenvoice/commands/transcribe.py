"""``evenvoice transcribe``: text of recordings, at once or while they are read."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from evenvoice.commands import speaker, talkers
from evenvoice.commands.models import DEFAULT_MODEL, model_directory
from evenvoice.commands.parsing import positive
from evenvoice.commands.recordings import read_recording
from evenvoice.params import UNKNOWN

if TYPE_CHECKING:
    from evenvoice.commands.speaker import Speaker
    from evenvoice.decoding.words import Transcript
    from evenvoice.models.recogniser import Recogniser

BLOCK_S: Final = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE",
                        help="WAV or FLAC; - reads WAV from standard input")
    parser.add_argument("--model", type=Path, metavar="DIR",
                        help=f"directory of a trained recogniser (default: {DEFAULT_MODEL})")
    parser.add_argument("--stream", action="store_true", help="print words as soon as they are final, while reading")
    parser.add_argument("--beam", type=positive, default=1, metavar="N",
                        help="hypotheses to search with (default: 1, greedy)")
    parser.add_argument("--nbest", type=positive, default=1, metavar="N",
                        help="transcripts to print, at most --beam")
    parser.add_argument("--json", action="store_true",
                        help="one JSON object per file: text, words with seconds and confidence, log-probability, and "
                             "of an amortized model the share of its encoder's work that was done")
    parser.add_argument("--talkers", type=int, choices=(1, 2), default=1,
                        help="2: turns of up to two people at once, with start, end and channel, by a recogniser that "
                             f"`make run DAG=train_multitalker` trained (default: {talkers.DEFAULT_MULTITALKER})")
    parser.add_argument("--format", choices=talkers.FORMATS,
                        help="with --talkers 2: how turns are written; text and json come while reading with --stream")
    speaker.add_arguments(parser)


@dataclass(frozen=True)
class Heard:
    """Transcripts, the most probable first, and the share of its work that an encoder with gates did."""

    transcripts: list[Transcript]
    executed_share: float | None


@dataclass(frozen=True)
class Job:
    """A recogniser and how it is to search."""

    recogniser: Recogniser
    beam: int
    nbest: int
    speaker: Speaker

    def whole(self, path: Path) -> Heard:
        """Transcribe a file."""
        from evenvoice.decoding.stream import recognise
        from evenvoice.decoding.work import WorkMeter

        waveform, meter = read_recording(path), WorkMeter(1)
        found = recognise(self.recogniser, waveform.samples, waveform.rate, beam=self.beam, nbest=self.nbest,
                          cohort=self.speaker.cohort_of(waveform), meter=meter)
        return Heard(found, meter.done[0].share)

    def streamed(self, path: Path, *, aloud: bool) -> Heard:
        """Transcribe a file while it is read, and print the words on the way where ``aloud``."""
        from evenvoice.data.streaming import AudioBlocks
        from evenvoice.decoding.stream import Stream

        with AudioBlocks(path, BLOCK_S) as blocks:
            stream = Stream(self.recogniser, blocks.rate, beam=self.beam, nbest=self.nbest,
                            cohort=self.speaker.cohort or UNKNOWN)
            for block in blocks:
                words = stream.feed(block)
                if aloud and words:
                    print(words, end="", flush=True)
            found = stream.finish()
        if aloud:
            print(found[0].text.removeprefix(stream.said), flush=True)
        return Heard(found, stream.executed_share)


def run(arguments: argparse.Namespace) -> int:
    """Obey the command line."""
    from evenvoice.decoding.stream import build_search
    from evenvoice.errors import ParamsError, RecordingRejected
    from evenvoice.models.recogniser import Recogniser

    if arguments.talkers == talkers.TWO:
        return talkers.run(arguments)
    if arguments.format is not None:
        raise ParamsError(name="--format", rule="come with --talkers 2", value=arguments.format,
                          action="Leave it out, or add --talkers 2.")
    directory = model_directory(arguments.model)
    recogniser = Recogniser.load(directory)
    build_search(recogniser, beam=arguments.beam, nbest=arguments.nbest)  # refuses a wrong --nbest before any reading
    job = Job(recogniser, arguments.beam, arguments.nbest,
              speaker.read_speaker(arguments, directory, recogniser, streamed=arguments.stream))
    status = 0
    for path in arguments.files:
        if not arguments.json and len(arguments.files) > 1:
            print(f"{path}: ", end="", flush=True)
        aloud = arguments.stream and not arguments.json
        try:
            heard = job.streamed(path, aloud=aloud) if arguments.stream else job.whole(path)
        except RecordingRejected as error:  # the others may be well
            if not arguments.json:
                print(flush=True)
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            status = error.exit_code
        else:
            _print(path, heard, as_json=arguments.json, best_printed=aloud)
    return status


def _print(path: Path, heard: Heard, *, as_json: bool, best_printed: bool) -> None:
    found = heard.transcripts
    if as_json:
        best, *others = (asdict(transcript) for transcript in found)
        executed = {} if heard.executed_share is None else {"executed_share": heard.executed_share}
        print(json.dumps(_rounded({"file": str(path), **best, "others": others, **executed}), ensure_ascii=False,
                         allow_nan=False))
        return
    if not best_printed:
        print(found[0].text)
    for place, transcript in enumerate(found[1:], start=2):
        print(f"  {place}. {transcript.text}  ({transcript.score - found[0].score:.2f})")


def _rounded(value: Any) -> Any:
    """To a thousandth, so that 0.80 s do not read 0.7999999999999999."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list | tuple) else value
