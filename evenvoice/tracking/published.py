"""Which figures of a run may leave its workspace: metrics for MLflow, with small cohorts taken out.

A cohort below the least number of speakers is hidden, and with it those that would give it away by subtraction
(:mod:`evenvoice.metrics.suppression`). A gap that a hidden cohort is one end of is hidden too, since it gives the
cohort's WER away beside that of the other end. Speakers, embeddings and positions are never read here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from evenvoice.data.schemas import COHORT_WER, CURVE, GAPS
from evenvoice.data.tables import read_table
from evenvoice.metrics.suppression import suppress
from evenvoice.storage import read_json
from evenvoice.tracking.run_files import RunFiles
from evenvoice.tracking.store import Point

Row = Mapping[str, Any]
Hidden = Mapping[str, frozenset[str]]
WHOLE = "whole"
GAP_FIGURES = ("gap_over_top", "gap_over_bottom", "bottom_share")
SPREAD_FIGURES = ("spread", "null_spread", "null_spread_high")


def metrics(files: RunFiles, min_speakers: int) -> dict[str, float]:
    """Every publishable figure of a run by its metric name.

    Raises:
        ArtifactError: a table of the evaluation is missing or unreadable.
    """
    rows = read_table(files.evaluation / "cohort_wer.parquet", COHORT_WER).to_pylist()
    gaps = read_table(files.evaluation / "gaps.parquet", GAPS).to_pylist()
    hidden = hidden_cohorts(rows, min_speakers)
    found = dict(_flat(files, hidden))
    for model in files.models:
        found |= _flattened(f"compute/{model}", read_json(files.compute(model)))
        found |= dict(_cohort_wer(rows, model, hidden))
        found |= dict(_gaps(gaps, model, hidden))
    return {_metric_name(name): value for name, value in sorted(found.items())}


def verdict(files: RunFiles, min_speakers: int) -> dict[str, Any]:
    """The verdict without the figures of hidden cohorts."""
    hidden = hidden_cohorts(read_table(files.evaluation / "cohort_wer.parquet", COHORT_WER).to_pylist(), min_speakers)
    shown = [row for row in files.judgement.get("cohorts", []) if not _is_hidden(row, hidden)]
    return {**files.judgement, "cohorts": shown}


def curve(files: RunFiles, model: str) -> list[Point]:
    """The training curve of a model, by step."""
    points = []
    seconds = 0.0
    for row in read_table(files.model(model) / "curve.parquet", CURVE).to_pylist():
        seconds += row["seconds"]
        points += [Point(name=f"train/{model}/{name}", value=row[name], step=row["step"],
                         after_ms=round(seconds * 1000)) for name in ("loss", "learning_rate")]
    return points


def hidden_cohorts(rows: list[dict[str, Any]], min_speakers: int) -> Hidden:
    """Per method, the cohorts not to show; hidden on one split is hidden on all, since splits can be compared."""
    sizes: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for row in rows:
        if row["method"] != WHOLE:
            sizes[row["method"], row["split"]][row["cohort"]] = row["speakers"]
    hidden: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
    for (method, _), counts in sizes.items():
        hidden[method] |= suppress(counts, min_speakers)
    return hidden


def _is_hidden(row: Row, hidden: Hidden) -> bool:
    return row["cohort"] in hidden.get(row["method"], frozenset())


def _flat(files: RunFiles, hidden: Hidden) -> Iterator[tuple[str, float]]:
    """metrics.json without names that speak of a hidden cohort."""
    names = {cohort for cohorts in hidden.values() for cohort in cohorts}
    for name, value in _flattened("", read_json(files.evaluation / "metrics.json")).items():
        if not names & set(re.split(r"[/.:@ ]", name)):
            yield name, value


def _cohort_wer(rows: list[dict[str, Any]], model: str, hidden: Hidden) -> Iterator[tuple[str, float]]:
    for row in rows:
        if (row["model"], row["split"]) == (model, "test") and row["wer"] is not None and not _is_hidden(row, hidden):
            place = WHOLE if row["method"] == WHOLE else f"{row['method']}/{row['cohort']}"
            yield from ((f"{figure}/{place}/{model}", row[figure]) for figure in ("wer", "wer_low", "wer_high")
                        if row[figure] is not None)


def _gaps(rows: list[dict[str, Any]], model: str, hidden: Hidden) -> Iterator[tuple[str, float]]:
    for row in rows:
        if (row["model"], row["split"]) != (model, "test"):
            continue
        away = hidden.get(row["method"], frozenset())
        # the spread is over all cohorts: with one of them hidden it may be that one's WER
        figures = (() if {row["bottom"], row["top"]} & away else GAP_FIGURES) + (() if away else SPREAD_FIGURES)
        yield from ((f"{figure}/{row['method']}/{model}", row[figure]) for figure in figures if row[figure] is not None)


def _flattened(prefix: str, content: Mapping[str, Any]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for key, value in content.items():
        name = f"{prefix}/{key}" if prefix else key
        if isinstance(value, Mapping):
            flat |= _flattened(name, value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            flat[name] = float(value)
    return flat


def _metric_name(name: str) -> str:
    """MLflow allows letters, digits and ``_-./: `` in the name of a metric."""
    return re.sub(r"[^\w\-./: ]", "_", name, flags=re.ASCII)
