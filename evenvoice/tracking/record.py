"""One MLflow run per DAG run: parameters, metrics, curves, report and lineage."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evenvoice.params import Params
from evenvoice.storage import read_json, write_json
from evenvoice.tracking import lineage
from evenvoice.tracking.lineage import Lineage
from evenvoice.tracking.location import Location
from evenvoice.tracking.product import Product
from evenvoice.tracking.recogniser import RECOGNISER
from evenvoice.tracking.run_files import RunFiles
from evenvoice.tracking.store import Point, RecordedRun, Store

LONGEST_PARAM = 6000
"""MLflow's limit."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What came of it."""

    run: str
    experiment: str
    created: bool
    metrics: int
    verdict: str


def record(*, store: Store, location: Location, files: RunFiles, dag_run: str, commit: str, dirty: bool,
           params: Params, product: Product = RECOGNISER) -> Recording:
    """Log a finished run; calling again completes or updates the same MLflow run and adds nothing twice.

    Raises:
        ArtifactError: a file of the run is missing or unreadable, or the verdict is about something else than the
            files beside it; MLflow is not touched then.
        TransientError: MLflow does not answer.
    """
    files.demand_one_origin()
    origin = Lineage(dag_run=dag_run, commit=commit, dirty=dirty, data=files.data_hash(), verdict=files.verdict,
                     arm=files.challenger, speech=files.speech, executed=_executed(files))
    figures, curves = product.figures(files, params.report.min_speakers), product.curves(files)
    kept = [files.required(path) for path in (files.report, files.model_card, files.dvc_lock, files.params_file)]
    kept += [files.run_description] if files.run_description.exists() else []
    with location.locked():
        known = store.find_run(dag_run)
        run = known or store.create_run(dag_run)
    store.log(run, params=flat_params(params.model_dump(by_alias=True)), tags=origin.tags(),
              points=changed(figures, run) + curves)
    for path in kept:
        store.log_file(run.id, path)
    _log_json(store, run.id, "made_with.json", files.made_with())
    _log_json(store, run.id, "verdict.json", product.verdict(files, params.report.min_speakers))
    store.finish_run(run.id)
    return Recording(run=run.id, experiment=product.names.experiment, created=known is None, metrics=len(figures),
                     verdict=files.verdict)


def _executed(files: RunFiles) -> dict[str, str]:
    """What the runner said of itself when the run began; a workspace that no DAG run made has no description."""
    description = read_json(files.run_description) if files.run_description.exists() else {}
    told = {lineage.RUNNER: "runner", lineage.IMAGE: "image", lineage.IMAGE_DIGEST: "image_digest"}
    return {tag: str(description[name]) for tag, name in told.items() if name in description}


def changed(figures: Mapping[str, float], run: RecordedRun) -> list[Point]:
    """Figures that the run does not show yet; one that shows another value is followed by a newer one."""
    since_start = round(time.time() * 1000) - run.started_at_ms
    return [Point(name=name, value=value, step=0, after_ms=since_start if name in run.metrics else 0)
            for name, value in figures.items() if run.metrics.get(name) != value]


def flat_params(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested values by names with dots, as texts that MLflow takes."""
    flat: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            flat |= flat_params(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = str(value)[:LONGEST_PARAM]
    return flat


def _log_json(store: Store, run: str, name: str, shown: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / name
        write_json(path, shown)
        store.log_file(run, path)
