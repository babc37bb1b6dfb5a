"""What a model costs to run and to make, and what an amortized one saves: figures of a run and of its model version.

Work is in multiply-accumulates. Going back through a network is counted as twice the work of going forward [design], so
a second of speech in training costs three times what it costs to transcribe, without the search.
"""

from __future__ import annotations

from typing import Any, Final

from evenvoice.data.schemas import SAVING
from evenvoice.data.tables import read_table
from evenvoice.metrics.publication import hidden_cohorts, is_hidden
from evenvoice.origins import SUMMARY, stage_of
from evenvoice.params import AMORTIZED, BASE, DENSE
from evenvoice.saving.timed import WAYS
from evenvoice.storage import read_json
from evenvoice.tracking import published
from evenvoice.tracking.run_files import RunFiles

FORWARD_AND_BACK: Final = 3


def costs(files: RunFiles, min_speakers: int) -> dict[str, float]:
    """Figures of the challenger by name; what was not measured is left out.

    ``macs_per_audio_s``; ``training_macs`` and ``training_seconds`` of its own training, and the same of a full
    ``retraining``, which is that of the base model. Seconds are known where this run trained. Of an amortized model
    also the ``saved_share`` of its encoder's work on test speakers, of everyone and by method and cohort, and for each
    way to use it the real-time factor of it and of its dense control.

    Raises:
        ArtifactError: a file of the run is missing or unreadable.
    """
    challenger, seconds = files.challenger, published.measured(files)
    work = read_json(files.compute(challenger))["macs_per_audio_s"]
    found: dict[str, float | None] = {"macs_per_audio_s": work["total"]}
    for name, model, stage in (("training", challenger, _stage(challenger)), ("retraining", BASE, _stage(BASE))):
        found[f"{name}_macs"] = _training_macs(files, model)
        found[f"{name}_seconds"] = seconds.get(published.metric_name(f"time/{stage}/seconds"))
    if challenger == AMORTIZED:
        found |= _saved(files, min_speakers)
    return {name: value for name, value in found.items() if value is not None}


def _stage(model: str) -> str:
    return "train" if model == BASE else stage_of(model)


def _training_macs(files: RunFiles, model: str) -> float:
    """Of a training with gates, every part counts as working: gradients need what gates leave out."""
    audio_s = read_json(files.model(model) / SUMMARY)["audio_s"]
    dense = DENSE if model == AMORTIZED else model
    macs_per_audio_s = read_json(files.compute(dense))["macs_per_audio_s"]["total"]
    return float(FORWARD_AND_BACK * audio_s * macs_per_audio_s)


def _saved(files: RunFiles, min_speakers: int) -> dict[str, float | None]:
    timed: dict[str, Any] = read_json(files.evaluation / "saving.json")
    found: dict[str, float | None] = {}
    for way in WAYS:
        found |= {f"{way}_rtf": timed[way]["rtf"], f"{way}_rtf_dense": timed[way]["reference_rtf"]}
    hidden = hidden_cohorts(published.cohort_wer(files), min_speakers)
    for row in read_table(files.evaluation / "saving.parquet", SAVING).to_pylist():
        if row["split"] == "test" and row["executed_share"] is not None and not is_hidden(
                row["method"], row["cohort"], hidden):
            of = "" if row["method"] == row["cohort"] else f"/{row['method']}/{row['cohort']}"
            found[f"saved_share{of}"] = 1 - row["executed_share"]
    return found
