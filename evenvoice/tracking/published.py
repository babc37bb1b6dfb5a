"""Which figures of a run may leave its workspace: metrics for MLflow, with small cohorts taken out.

Which cohorts are hidden is decided in :mod:`evenvoice.metrics.publication`; every spread over cohorts of which one is
hidden is left out too. Speakers, embeddings and positions are never read here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from evenvoice.data.schemas import COHORT_WER, CURVE, GAPS
from evenvoice.data.tables import read_table
from evenvoice.evaluation.metric_names import regression_metrics
from evenvoice.metrics.partitions import metric_scope
from evenvoice.metrics.publication import (
    REGRESSION,
    WHOLE,
    Hidden,
    hidden_cohorts,
    is_hidden,
    published_regression,
    published_verdict,
)
from evenvoice.storage import read_json
from evenvoice.tracking.run_files import RunFiles
from evenvoice.tracking.store import Point

BOUNDS = ("wer_low", "wer_high")
CURVES = ("loss", "learning_rate", "effective_share", "executed_share")
SPREADS = ("spread", "null_spread", "null_spread_high")


def metrics(files: RunFiles, min_speakers: int) -> dict[str, float]:
    """Every publishable figure by its metric name: metrics.json; beside it bounds, spreads, regression and compute.

    Raises:
        ArtifactError: a table of the evaluation is missing or unreadable.
    """
    rows = cohort_wer(files)
    hidden = hidden_cohorts(rows, min_speakers)
    found = {name: value for name, value in _flattened("", read_json(files.evaluation / "metrics.json")).items()
             if not _tells_about_hidden(name, hidden)}
    gaps = read_table(files.evaluation / "gaps.parquet", GAPS).to_pylist()
    for model in files.models:
        found |= _flattened(f"compute/{model}", read_json(files.compute(model)))
        found |= dict(bounds(rows, model, hidden))
        found |= dict(spreads(gaps, model, hidden))
    regressed = read_json(files.evaluation / REGRESSION)
    found |= regression_metrics({model: published_regression(one, hidden) for model, one in regressed.items()})
    return {metric_name(name): value for name, value in sorted(found.items())}


def verdict(files: RunFiles, min_speakers: int) -> dict[str, Any]:
    """The verdict without what it says about hidden cohorts."""
    return published_verdict(files.judgement, hidden_cohorts(cohort_wer(files), min_speakers))


def curve(files: RunFiles, model: str) -> list[Point]:
    """The training curve of a model, by step."""
    points = []
    for row in read_table(files.model(model) / "curve.parquet", CURVE).to_pylist():
        points += [Point(name=f"train/{model}/{name}", value=row[name], step=row["step"],
                         after_ms=0) for name in CURVES if row[name] is not None]
    return points


def measured(files: RunFiles) -> dict[str, float]:
    """What stages measured on the machine that ran them, in this run; those of cached stages are not known.

    Lines that are cut or no events are passed over: a watcher's file must never keep a run from being recorded.
    """
    found: dict[str, float] = {}
    for line in files.events.read_text(encoding="utf-8").splitlines() if files.events.exists() else []:
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            event = json.loads(line)
            found |= _flattened(f"time/{event['stage']}", event.get("measured", {}))
    return {metric_name(name): value for name, value in found.items()}


def cohort_wer(files: RunFiles) -> list[dict[str, Any]]:
    """Rows of the COHORT_WER table, which say how large cohorts are."""
    return list(read_table(files.evaluation / "cohort_wer.parquet", COHORT_WER).to_pylist())


def _tells_about_hidden(name: str, hidden: Hidden) -> bool:
    """Metric names are made of parts between slashes, among them the method and every cohort they are about."""
    parts = set(name.split("/"))
    return any(method in parts and parts & {cohort, metric_name(cohort), _metric_part(method, cohort)}
               for method, cohorts in hidden.items() for cohort in cohorts)


def _metric_part(method: str, cohort: str) -> str:
    return metric_scope(method, cohort).removeprefix(f"{method}/")


def bounds(rows: Iterable[Mapping[str, Any]], model: str, hidden: Hidden) -> Iterator[tuple[str, float]]:
    """Intervals of the WER of each cohort of the COHORT_WER table, of one model."""
    for row in rows:
        if (row["model"], row["split"]) == (model, "test") and not is_hidden(row["method"], row["cohort"], hidden):
            scope = WHOLE if row["method"] == WHOLE else metric_scope(row["method"], row["cohort"])
            yield from ((f"{bound}/{model}/test/{scope}", row[bound]) for bound in BOUNDS if row[bound] is not None)


def spreads(rows: Iterable[Mapping[str, Any]], model: str, hidden: Hidden) -> Iterator[tuple[str, float]]:
    """Spreads over cohorts of the GAPS table, of one model, beside those of chance."""
    for row in rows:
        if (row["model"], row["split"]) == (model, "test") and not hidden.get(row["method"]):
            yield from ((f"{figure}/{row['method']}/{model}/test", row[figure]) for figure in SPREADS
                        if row[figure] is not None)


def _flattened(prefix: str, content: Mapping[str, Any]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for key, value in content.items():
        name = f"{prefix}/{key}" if prefix else key
        if isinstance(value, Mapping):
            flat |= _flattened(name, value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            flat[name] = float(value)
    return flat


def metric_name(name: str) -> str:
    """Only characters that MLflow allows in the name of a metric."""
    return re.sub(r"[^A-Za-z0-9_./ -]", "_", name)
