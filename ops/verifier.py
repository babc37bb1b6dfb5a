"""What `make run DAG=train_verifier` leaves where people look, and its last words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from dags.pipelines import PIPELINES
from dags.runs import Run
from evenvoice.storage import read_json
from evenvoice.verification.assembling import assemble
from ops.finished import Finished


def finish_verifier(run: Run, console: Console, *, took: str) -> None:
    """Put the newest report and the verifier that it judges where people look, and sum up."""
    done = Finished.read(run, PIPELINES["train_verifier"])
    chosen = done.verdict["challenger"]

    def write_model(draft: Path) -> None:
        calibrations = read_json(run.workspace / "artifacts" / "verification" / "calibrations.json")
        assemble(run.workspace / "artifacts" / "speaker_models" / chosen, calibrations[chosen], draft)

    done.publish(write_model)
    done.sum_up(console, _figures(done), took=took,
                try_it=".venv/bin/evenvoice verify ONE.wav OTHER.wav  (the verifier")


def _figures(done: Finished) -> Iterator[str]:
    selection = read_json(done.run.workspace / "artifacts" / "verification" / "selection.json")
    whole = done.verdict["whole"]
    if whole["eer"] is not None:
        yield (f"equal error  {100 * whole['eer']:.2f} % (95 % sure: at most {100 * whole['eer_at_most']:.2f} %) of "
               f"{whole['speakers']} test speakers")
    yield f"chosen       {done.verdict['challenger']}: {selection['reason']}"
