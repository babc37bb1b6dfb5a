"""What a training leaves on disk: the recogniser, its curve and its summary, all or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from evenvoice.data.tables import write_table
from evenvoice.models.recogniser import Recogniser
from evenvoice.progress import Progress
from evenvoice.storage import fresh_directory, write_json
from evenvoice.training.curve import Curve


def write_trained(out: Path, recogniser: Recogniser, curve: Curve, beside: Callable[[Path], None] | None = None, /,
                  **summary: object) -> None:
    """Write weights and configuration, curve.parquet and summary.json; ``summary`` adds to the last.

    ``beside`` writes what else belongs to the model into the directory that it is given.
    """
    with fresh_directory(out) as draft:
        recogniser.save(draft)
        if beside is not None:
            beside(draft)
        write_table(draft / "curve.parquet", curve.table())
        write_json(draft / "summary.json",
                   {"parameters": recogniser.transducer.parameter_count, **curve.summary(), **_told(recogniser),
                    **summary})


def _told(recogniser: Recogniser) -> dict[str, str]:
    """By which method the cohorts were found that a model is told, for whoever reports what it was judged with."""
    return {} if recogniser.cohorts is None else {"told_cohorts_of": recogniser.cohorts.method}


def leave_out(out: Path, base: Recogniser, summary: dict[str, Any], progress: Progress,
              why: str = "mitigate.arms leaves this arm out") -> None:
    """Write the base model in the place of one that the parameters leave out.

    A run has no stage for such a model; only `dvc repro` in a checkout, whose graph has all, comes here.
    """
    progress.note(f"{why}: the base model stands in its place, and is not judged")
    write_trained(out, base, Curve(), **summary, left_out=True)
