"""``evenvoice verify``: whether two recordings are of one speaker, or how well a list of such trials is answered.

No embedding is printed or written: it can be linked to a person like a fingerprint.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from evenvoice.commands.models import model_directory
from evenvoice.commands.recordings import read_recording
from evenvoice.progress import SECONDS_BETWEEN_LINES

if TYPE_CHECKING:
    from evenvoice.verification.trial_list import ListedTrial
    from evenvoice.verification.verifier import Answer, Verifier, Voice

DEFAULT_VERIFIER: Final = Path("reports/verifier/model")
"""Where `make run DAG=train_verifier` leaves the verifier that it judged last."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="two recordings, WAV or FLAC")
    parser.add_argument("--model", type=Path, metavar="DIR",
                        help=f"directory of a trained verifier (default: {DEFAULT_VERIFIER})")
    parser.add_argument("--trials", type=Path, metavar="LIST",
                        help="trials instead of two recordings: a line for each, 1 or 0 and two names, a space apart")
    parser.add_argument("--audio", type=Path, metavar="FOLDER", help="where the recordings of the list lie (default: "
                                                                     "beside it)")
    parser.add_argument("--json", action="store_true", help="one JSON object: llr and decision, of a list those of "
                                                            "every trial, equal error rate and detection costs")


def run(arguments: argparse.Namespace) -> int:
    """Obey the command line."""
    from evenvoice.errors import ParamsError
    from evenvoice.verification.verifier import Verifier

    wanted = 0 if arguments.trials else 2
    if len(arguments.files) != wanted:
        raise ParamsError(name="FILE", rule="be left out beside --trials" if arguments.trials else "be two recordings",
                          value=len(arguments.files), action="Give two recordings, or a list of trials (--trials).")
    if arguments.audio and not arguments.trials:
        raise ParamsError(name="--audio", rule="be left out without --trials", value=arguments.audio,
                          action="Name the two recordings with their folders.")
    verifier = Verifier.load(model_directory(arguments.model, default=DEFAULT_VERIFIER, what="a trained verifier",
                                             made_by="make run DAG=train_verifier"))
    if arguments.trials:
        _list(verifier, arguments.trials, arguments.audio or arguments.trials.parent, as_json=arguments.json)
        return 0
    one, other = (_hear(verifier, path) for path in arguments.files)
    answer = verifier.compare(one, other)
    if arguments.json:
        print(json.dumps({**_told(answer), "threshold": verifier.calibration.threshold}))
    else:
        print(f"{'same speaker' if answer.same else 'different speakers'}  log-likelihood ratio {answer.llr:.2f}, "
              f"threshold {verifier.calibration.threshold:.2f}")
    return 0


def _list(verifier: Verifier, path: Path, audio: Path, *, as_json: bool) -> None:
    from evenvoice.verification.trial_list import read_trial_list

    trials = read_trial_list(path)
    files = {name: _file(audio, name, path) for trial in trials for name in (trial.first, trial.second)}
    voices = _hear_all(verifier, files)
    answers = [verifier.compare(voices[trial.first], voices[trial.second]) for trial in trials]
    figures = _figures(trials, answers)
    if as_json:
        rows = [{"first": trial.first, "second": trial.second, "same_speaker": trial.same, **_told(answer)}
                for trial, answer in zip(trials, answers, strict=True)]
        print(json.dumps({**figures, "threshold": verifier.calibration.threshold, "trials": rows}))
        return
    for trial, answer in zip(trials, answers, strict=True):
        print(f"{answer.llr:8.2f}  {'same' if answer.same else 'different':<9}  {trial.first}  {trial.second}")
    print(", ".join(f"{name} {'unknown' if value is None else f'{value:.4f}'}" for name, value in figures.items()))


def _figures(trials: list[ListedTrial], answers: list[Answer]) -> dict[str, float | None]:
    """Rates over the list; None where it has trials of one kind only."""
    import numpy as np

    from evenvoice.verification.detection import (
        TARGET_PRIORS,
        equal_error_rate,
        log_likelihood_ratio_cost,
        minimum_detection_cost,
    )

    llrs_N, same_N = np.array([one.llr for one in answers]), np.array([trial.same for trial in trials])
    accepted_N = np.array([one.same for one in answers])
    both = bool(same_N.any() and not same_N.all())
    found: dict[str, float | None] = {"eer": equal_error_rate(llrs_N, same_N) if both else None}
    for prior in TARGET_PRIORS:
        found[f"min_dcf_{prior:g}"] = minimum_detection_cost(llrs_N, same_N, prior) if both else None
    found["cllr"] = log_likelihood_ratio_cost(llrs_N, same_N) if both else None
    found["miss"] = float((~accepted_N[same_N]).mean()) if same_N.any() else None
    found["false_alarm"] = float(accepted_N[~same_N].mean()) if not same_N.all() else None
    return found


def _file(audio: Path, name: str, path: Path) -> Path:
    """A recording of the list, which may lie nowhere but in the folder.

    Raises:
        CorpusError: it is not there.
    """
    from evenvoice.errors import CorpusError

    file = audio / name
    if not file.is_file() or not file.resolve().is_relative_to(audio.resolve()):
        raise CorpusError(name=f"{name} of {path}", rule=f"be a recording in {audio}", value="no such file",
                          action="Correct the list, or name the folder (--audio).")
    return file


def _hear_all(verifier: Verifier, files: dict[str, Path]) -> dict[str, Voice]:
    """Each recording once; says how far it is where a person looks."""
    voices = {}
    told_at = time.monotonic()
    for name, file in files.items():
        voices[name] = _hear(verifier, file)
        if sys.stderr.isatty() and time.monotonic() - told_at >= SECONDS_BETWEEN_LINES:
            told_at = time.monotonic()
            print(f"recording {len(voices)}/{len(files)}", file=sys.stderr, flush=True)
    return voices


def _hear(verifier: Verifier, path: Path) -> Voice:
    return verifier.hear(read_recording(path), str(path))


def _told(answer: Answer) -> dict[str, Any]:
    return {"llr": answer.llr, "same": answer.same}
