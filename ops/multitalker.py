"""What `make run DAG=train_multitalker` leaves where people look, and its last words."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from dags.pipelines import PIPELINES
from dags.runs import Run
from evenvoice.storage import read_json
from ops.finished import Finished


def finish_multitalker(run: Run, console: Console, *, took: str) -> None:
    """Put the newest report and the recogniser that it judges where people look, and sum up."""
    done = Finished.read(run, PIPELINES["train_multitalker"])
    model = run.workspace / "artifacts" / "multitalker_models" / done.verdict["challenger"]

    def write_model(draft: Path) -> None:
        shutil.copytree(model, draft, dirs_exist_ok=True)

    done.publish(write_model)
    done.sum_up(console, _figures(done), took=took,
                try_it=".venv/bin/evenvoice transcribe MEETING.wav --talkers 2  (the recogniser")


def _figures(done: Finished) -> Iterator[str]:
    figures = read_json(done.run.workspace / "artifacts" / "multitalker" / "figures.json")[done.verdict["challenger"]]
    whole, cut = done.verdict["whole"], done.verdict["cut"]
    sure = f"{100 * done.verdict['limits']['confidence']:g} % sure"
    if whole["wer"] is not None:
        yield (f"word errors  {100 * whole['wer']:.1f} % (ORC-WER, {sure}: at most {100 * whole['wer_at_most']:.1f} %) "
               f"of {whole['speakers']} test speakers")
    if figures["counting_accuracy"] is not None:
        yield (f"turns        counted right in {100 * figures['counting_accuracy']:.1f} % of {figures['mixtures']} "
               "mixtures")
    if cut["cut"] is not None:
        yield (f"cut off      {100 * cut['cut']:.1f} % ({sure}: at most {100 * cut['cut_at_most']:.1f} %) of "
               f"{cut['turns']} turns")
