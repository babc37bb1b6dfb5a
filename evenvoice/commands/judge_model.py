"""``evenvoice judge --model``: a recogniser that somebody registered, by what it writes of a corpus now."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from evenvoice.commands.parsing import positive
from evenvoice.served import FEEDS

if TYPE_CHECKING:
    from evenvoice.judge.people import People
    from evenvoice.judge.settings import Judging
    from evenvoice.judge.transcribing import Heard

ELSEWHERE: Final = ("hypotheses", "references", "utt2spk")
"""What a model and a corpus take the place of."""
FOLDER: Final = ".heard"
"""Behind the name of --out: who said what is no part of what is published."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe this part of the command line."""
    parser.set_defaults(wrong_usage=parser.error)
    model = parser.add_argument_group("a registered model, instead of HYPOTHESES")
    model.add_argument("--model", action="append", metavar="models:/NAME/VERSION",
                       help="one in the registry that MLFLOW_TRACKING_URI names; again for others, the base first")
    model.add_argument("--corpus", metavar="PATH", help="recordings for it, in any layout that a run takes")
    model.add_argument("--feed", choices=FEEDS,
                       help="what it is handed: bytes of WAV files, paths, or arrays of samples (default: as its "
                            "signature says)")
    model.add_argument("--batch", type=positive, default=16, metavar="N",
                       help="recordings that it gets at once (default: 16)")
    model.add_argument("--batch-limit", type=_seconds, default=600.0, metavar="SECONDS",
                       help="a model that takes longer for one batch has failed (default: 600)")
    model.add_argument("--time-limit", type=_seconds, metavar="SECONDS",
                       help="for all that models hear; then the exit status is 75, and the same command goes on")


def demand_one_source(arguments: argparse.Namespace) -> None:
    """See that either hypotheses or models are given, and end with wrong usage otherwise."""
    if arguments.model is None:
        if arguments.corpus is not None:
            arguments.wrong_usage("--corpus comes with --model")
        if not arguments.hypotheses:
            arguments.wrong_usage("give HYPOTHESES, or --model and --corpus")
        return
    if arguments.corpus is None:
        arguments.wrong_usage("--model comes with --corpus")
    for name in ELSEWHERE:
        if getattr(arguments, name):
            arguments.wrong_usage(f"--model takes the place of {name}")


def hear(arguments: argparse.Namespace, people: People, settings: Judging) -> Heard:
    """Let the models write down the corpus; see :func:`evenvoice.judge.transcribing.hear_corpus`."""
    from evenvoice.judge.served_corpus import SpokenCorpus
    from evenvoice.judge.transcribing import Asking, hear_corpus
    from evenvoice.tracking.pyfunc import open_pyfunc  # MLflow itself only in the process that holds the model

    return hear_corpus(
        arguments.model, SpokenCorpus(arguments.corpus, settings.ingest, people.untold()),
        arguments.out.with_name(arguments.out.name + FOLDER), open_pyfunc,
        Asking(feed=arguments.feed, batch=arguments.batch, batch_limit_s=arguments.batch_limit,
               limit_s=arguments.time_limit))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of seconds, got {text} instead")
    return seconds
