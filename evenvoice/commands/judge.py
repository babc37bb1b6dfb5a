"""``evenvoice judge``: anybody's recogniser, by what it wrote.

The exit status is the verdict's, so that a job can depend on it: 0 PASS, 1 FAIL, 4 INSUFFICIENT. Beside them, as
everywhere: 2 wrong usage, 3 a person has to act, 75 try again, 70 a defect of evenvoice.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from evenvoice.commands import judge_model
from evenvoice.data.corpora.rows import READERS
from evenvoice.errors import CorpusError, EvenvoiceError, ParamsError
from evenvoice.judge import Reading, judge_utterances
from evenvoice.judge.normalisers import NORMALISERS
from evenvoice.judge.page import Told, render_judged, summary_markdown, verdict_json
from evenvoice.judge.pairs import read_pairs, read_speakers
from evenvoice.judge.people import People
from evenvoice.judge.settings import read_judging
from evenvoice.judge.utterances import Utterance, read_table
from evenvoice.judge.verdicts import SEVERITY
from evenvoice.judge.voices import read_voices
from evenvoice.storage import fresh_directory, sha256, write_json, write_text

if TYPE_CHECKING:
    from evenvoice.tracking.location import Location

EXIT: Final = {"PASS": 0, "FAIL": 1, "INSUFFICIENT": 4}
PAGE: Final = "index.html"
VERDICT: Final = "verdict.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = ("exit status: 0 PASS, 1 FAIL, 4 INSUFFICIENT; 2 wrong usage, 3 a person has to act, 75 try again, "
                     "70 a defect")
    parser.add_argument("hypotheses", nargs="*", type=Path, metavar="HYPOTHESES",
                        help="a table (TSV, CSV, JSON lines as NeMo writes them, Parquet) with utterance, speaker, "
                             "text and pred_text, or pred_text_NAME for each of several recognisers, the base first; "
                             "or, with --references, a file for each recogniser (Kaldi's text, sclite's trn)")
    parser.add_argument("--references", type=Path, metavar="FILE", help="what was said, in the form of the hypotheses")
    parser.add_argument("--utt2spk", type=Path, metavar="FILE", help="the speaker of each utterance")
    parser.add_argument("--speakers", type=Path, metavar="TABLE",
                        help="what is known of each speaker: gender, age_band, accent, country, lat and lon, and any "
                             "other column")
    parser.add_argument("--by", type=_names, metavar="COLUMN,...",
                        help="columns whose groups are judged, alone and crossed two at a time (default: those of "
                             "gender, age_band, accent and country that there are)")
    parser.add_argument("--embeddings", type=Path, metavar="TABLE",
                        help="Parquet with speaker and embedding, a list of numbers, in any number of rows for each "
                             "speaker; clusters of like voices are judged too")
    parser.add_argument("--normaliser", default="evenvoice", metavar="NAME",
                        help=f"{', '.join(NORMALISERS)}, or MODULE:FUNCTION (default: evenvoice)")
    parser.add_argument("--unit", choices=("word", "character"),
                        help="what is counted (default: words, or characters for scripts without spaces)")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="YAML laid over the settings that come along")
    parser.add_argument("--set", action="append", default=[], dest="changes", metavar="NAME=VALUE",
                        help="one of them, such as gate.max_gap=0.3 or gate.reference=top")
    parser.add_argument("--out", type=Path, default=Path("judged"), metavar="FOLDER",
                        help="where page and verdict.json go; replaced (default: judged)")
    parser.add_argument("--summary", choices=("text", "markdown"), default="text",
                        help="what is printed (default: text)")
    parser.add_argument("--record", nargs="?", const="", metavar="URI",
                        help="keep the judgement in MLflow too: at this server or database, or put last and without "
                             "one, where MLFLOW_TRACKING_URI says")
    judge_model.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Obey it; returns the exit status of the verdict."""
    judge_model.demand_one_source(arguments)
    settings = read_judging(arguments.settings, arguments.changes)
    demand_replaceable(arguments.out)
    location = None if arguments.record is None else _registry(arguments.record)
    given = [*arguments.hypotheses, *filter(None, (arguments.references, arguments.utt2spk, arguments.speakers,
                                                   arguments.embeddings))]
    files = {str(path): _digest(path) for path in given}
    people = People(arguments.by)
    if arguments.speakers:
        people.read(arguments.speakers)
    heard = judge_model.hear(arguments, people, settings) if arguments.model else None
    if heard:
        arguments.hypotheses = [heard.table]
        files |= {str(heard.table): _digest(heard.table), **heard.files}
    told = judge_utterances(_utterances(arguments), people, settings, reading=Reading(
        normaliser=arguments.normaliser, unit=arguments.unit), files=files, notes=heard.notes if heard else (),
        embeddings=read_voices(arguments.embeddings) if arguments.embeddings else None)
    write(told, arguments.out)
    print(summary_markdown(told) if arguments.summary == "markdown" else _summary(told, arguments.out), end="")
    if location is not None:
        _record(told, arguments.out, location)
    return EXIT[told.judged.outcome]


def write(told: Told, out: Path) -> None:
    """Write verdict.json and a page about each recogniser, or nothing; the worst one's is index.html.

    Raises:
        ParamsError: the folder cannot be written.
    """
    worst = max(told.judged.verdicts, key=lambda name: SEVERITY.index(told.judged.verdicts[name].verdict))
    pages = {system: PAGE if system == worst else f"{number}.html"
             for number, system in enumerate(told.judged.systems) if system in told.judged.verdicts}
    written = {page: render_judged(told, system, pages) for system, page in pages.items()}
    try:
        with fresh_directory(out.resolve()) as draft:
            write_json(draft / VERDICT, verdict_json(told))
            for page, text in written.items():
                write_text(draft / page, text)
    except OSError as error:
        raise ParamsError(name=f"--out {out}", rule="be where files can be written",
                          value=error.strerror or str(error), action="Name another folder.") from error


def demand_replaceable(out: Path) -> None:
    """See that nothing but an earlier judgement would be replaced.

    Raises:
        ParamsError: it is a file, a folder that holds something else, or one that this runs in.
    """
    around = Path.cwd().is_relative_to(out.resolve())
    if not around and (not out.exists() or (out / VERDICT).exists() or (out.is_dir() and not any(out.iterdir()))):
        return
    raise ParamsError(name=f"--out {out}", rule="be a new folder, or that of an earlier judgement, which is replaced",
                      value="where this runs" if around else "a folder of something else" if out.is_dir() else "a file",
                      action="Name another folder.")


def _digest(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise CorpusError(name=str(path), rule="be a file that can be read", value=error.strerror or str(error),
                          action="Correct the path or its permissions.") from error


def _registry(uri: str) -> Location:
    from evenvoice.tracking.judged import registry  # where nothing is recorded, MLflow need not be there

    return registry(uri)


def _record(told: Told, out: Path, location: Location) -> None:
    """Keep it in MLflow; where that fails, say that the judgement itself is there."""
    from evenvoice.tracking.judged import record_judgement

    try:
        done = record_judgement(told, out, location)
    except EvenvoiceError as error:
        action = f"{error.action} The verdict is {told.judged.outcome}, and its page is {out / PAGE}, all the same."
        raise type(error)(name=error.name, rule=error.rule, value=error.value, action=action) from error
    print(f"recorded as run {done.run} of {done.experiment}{'' if done.created else ', as before'}", file=sys.stderr)


def _utterances(arguments: argparse.Namespace) -> Iterator[Utterance]:
    speakers = read_speakers(arguments.utt2spk) if arguments.utt2spk else {}
    if arguments.references:
        yield from read_pairs(arguments.references, arguments.hypotheses, speakers)
        return
    if len(arguments.hypotheses) > 1:
        raise CorpusError(name="HYPOTHESES", rule="be one table where no --references are given",
                          value=f"{len(arguments.hypotheses)} files",
                          action="Join what they wrote as columns pred_text_NAME of one table.")
    (path,) = arguments.hypotheses
    if path.suffix.lower() not in READERS:
        raise CorpusError(name=str(path), rule=f"end in one of {', '.join(READERS)}, or come with --references",
                          value=path.suffix or "no ending", action="Rename it, or say what was said by --references.")
    for utterance in read_table(path):
        speaker = speakers.get(utterance.key, utterance.speaker)
        yield utterance if speaker == utterance.speaker else _of(utterance, speaker)


def _of(utterance: Utterance, speaker: str | None) -> Utterance:
    return Utterance(key=utterance.key, speaker=speaker, reference=utterance.reference, written=utterance.written,
                     where=utterance.where, row=utterance.row)


def _summary(told: Told, out: Path) -> str:
    lines = [f"{told.judged.verdicts[system].verdict}  {system}\n" + "".join(
        f"- {reason}\n" for reason in told.verdict(system)["reasons"]) for system in told.judged.verdicts]
    return "".join([*lines, *(f"{note}\n" for note in told.notes), f"{out / PAGE}\n"])


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))

