"""``evenvoice export``: a recogniser as ONNX files, for onnxruntime on any machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from evenvoice.commands.models import model_directory
from evenvoice.params import UNKNOWN


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("model", type=Path, metavar="DIR", help="directory of a trained recogniser")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="where to write: a new or empty directory, or an earlier export, which is replaced")
    parser.add_argument("--frames", type=int, default=1, metavar="N",
                        help="encoder frames (40 ms each at `stack: 4`) per call of the encoder (default: 1)")
    parser.add_argument("--cohort", default=UNKNOWN, metavar="NAME",
                        help=f"cohort of all speakers, for a model with a cohort input (default: {UNKNOWN})")


def run(arguments: argparse.Namespace) -> int:
    """Obey the command line."""
    from evenvoice.export.onnx_files import export
    from evenvoice.models.recogniser import Recogniser

    export(Recogniser.load(model_directory(arguments.model)), arguments.out, frames=arguments.frames,
           cohort=arguments.cohort)
    print(f"{arguments.out}: {', '.join(sorted(path.name for path in arguments.out.iterdir()))}")
    return 0
