"""One MLflow run for each judgement of somebody's recogniser, with the names that a run of the pipeline has.

Several recognisers that were judged together are one run: the base goes by ``base``, as in a run of the pipeline, and
the others by their own names. Nothing is registered.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from evenvoice.errors import ArtifactError, ParamsError, PreflightError
from evenvoice.evaluation.metric_names import flat_metrics, regression_metrics
from evenvoice.judge.page import Told, verdict_json
from evenvoice.metrics.partitions import metric_scope
from evenvoice.metrics.publication import Hidden, is_hidden
from evenvoice.params import BASE
from evenvoice.storage import read_json
from evenvoice.tracking import lineage
from evenvoice.tracking.location import Location
from evenvoice.tracking.names import JUDGEMENT
from evenvoice.tracking.published import bounds, metric_name, spreads
from evenvoice.tracking.record import Recording, changed, flat_params
from evenvoice.tracking.store import Store

Row = Mapping[str, Any]
VERDICT: Final = "verdict.json"
FOLDERS: Final = ("", "file")
"""Schemes of tracking URIs that name a folder of files, which MLflow no longer keeps runs in."""


def registry(uri: str = "", environment: Mapping[str, str] = os.environ) -> Location:
    """Where judgements are recorded; nothing is opened or written yet.

    Args:
        uri: of MLflow; where it is empty, the environment's (MLFLOW_TRACKING_URI, EVENVOICE_HOME).

    Raises:
        PreflightError: MLflow is not installed.
        ParamsError: the URI names no server and no database.
    """
    if find_spec("mlflow") is None:
        raise PreflightError(name="MLflow", rule="be installed where a judgement is to be recorded", value="no module",
                             action='Run pip install "evenvoice[control]", or leave --record out.')
    location = Location.from_environment(environment)
    if uri:
        location = replace(location, tracking_uri=uri)
    if location.tracking_uri.rpartition("://")[0] in FOLDERS:
        raise ParamsError(name="--record" if uri else "MLFLOW_TRACKING_URI", value=location.tracking_uri,
                          rule="be a server (http://, https://) or a database (sqlite:///mlflow.db)",
                          action="Correct it; --record without a URI, put last, follows MLFLOW_TRACKING_URI.")
    return location


def record_judgement(told: Told, pages: Path, location: Location) -> Recording:
    """Keep a judgement with its pages; calling again finds the same run, completes it and adds nothing twice.

    Args:
        pages: the folder that ``evenvoice judge`` wrote.
        location: as :func:`registry` gives it.

    Raises:
        ArtifactError: the folder holds no judgement, or another one; MLflow is not touched then.
        TransientError: MLflow does not answer.
        TrackingError: it refuses.

    Example:
        ``record_judgement(told, Path("judged"), registry("sqlite:///mlflow.db"))``
    """
    kept = [pages / VERDICT, *sorted(pages.glob("*.html"))]
    if read_json(pages / VERDICT) != json.loads(json.dumps(verdict_json(told))):
        raise ArtifactError(name=str(pages / VERDICT), rule="be the judgement that is recorded", value="another one",
                            action="Write it again: evenvoice.commands.judge.write(told, folder).")
    store, identity, found = Store(location, JUDGEMENT), digest(told), figures(told)
    with location.locked():
        known = store.find_run(identity, tag=lineage.JUDGEMENT)
        run = known or store.create_run(identity, tag=lineage.JUDGEMENT, name=_name(told))
    store.log(run, params=params(told), points=changed(found, run), tags=tags(told))
    for path in kept:
        store.log_file(run.id, path)
    store.finish_run(run.id)
    return Recording(run=run.id, experiment=JUDGEMENT.experiment, created=known is None, metrics=len(found),
                     verdict=told.judged.outcome)


def figures(told: Told) -> dict[str, float]:
    """Every figure that may be published, by the name that a run of the pipeline gives it.

    Gaps are those of the verdicts, so the last cohort in their names is the one that ``gate.reference`` compares with.
    What follows from the ranking of cohorts (the gap of worst and best, spreads) is left out where they were ranked on
    the very speakers who are judged: it would be too wide.
    """
    compared, hidden, apart = told.judged.compared, told.hidden, told.judged.cohorts.apart
    groups = list(_named(_shown(compared.cohort_wer, hidden, "cohort"), "model"))
    ranked = list(_named(_shown(compared.gaps, hidden, "bottom", "top"), "model")) if apart else []
    found = flat_metrics(groups, [*ranked, *_gaps(told)],
                         list(_named(_shown(compared.comparisons, hidden, "cohort"), "arm")))
    found |= regression_metrics({_part(model): regressed for model, regressed in told.regression.items()})
    for model in map(_part, told.titles):
        found |= dict(bounds(groups, model, hidden))
        found |= dict(spreads(_named(compared.gaps, "model"), model, hidden)) if apart else {}
    return {metric_name(name): value for name, value in sorted(found.items())}


def params(told: Told) -> dict[str, str]:
    """All settings by names with dots, and how texts were read."""
    return flat_params({**told.settings.model_dump(by_alias=True), "normaliser": told.inputs.normaliser,
                        "unit": told.inputs.unit})


def tags(told: Told) -> dict[str, str]:
    """The worst verdict, that on each recogniser, and what it was made of."""
    files = enumerate(told.inputs.files.items(), start=1)
    return {lineage.VERDICT: told.judged.outcome, lineage.BASE: told.judged.systems[0],
            lineage.VERSION: version("evenvoice"),
            **{f"{lineage.VERDICT}.{_part(system)}": found.verdict for system, found in told.judged.verdicts.items()},
            **{f"{lineage.INPUT}.{number}": f"{digest}  {name}" for number, (name, digest) in files}}


def digest(told: Told) -> str:
    """Of all that a judgement depends on: files wherever they lie, how they were read, settings, and evenvoice.

    Tables at hand have no files, so errors and cohorts of the speakers who are judged are a part of it.
    """
    judged, table = told.judged, told.judged.table
    content = [version("evenvoice"), [*told.inputs.files.values()], told.inputs.normaliser, told.inputs.unit,
               [*judged.under], [*judged.systems], told.settings.model_dump(by_alias=True), [*table.speakers],
               table.words.tolist(), {name: errors.tolist() for name, errors in table.errors.items()},
               {name: cohorts.tolist() for name, cohorts in table.cohorts.items()}]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _name(told: Told) -> str:
    """For people who look at a list of runs."""
    first, *others = told.judged.systems
    return f"{', '.join(others)} beside {first}" if others else first


def _shown(rows: Iterable[Row], hidden: Hidden, *cohorts: str) -> Iterator[Row]:
    """Those that tell about no hidden cohort, which columns ``cohorts`` name."""
    for row in rows:
        if not any(is_hidden(row["method"], row[cohort], hidden) for cohort in cohorts):
            yield row


def _named(rows: Iterable[Row], column: str) -> Iterator[dict[str, Any]]:
    return ({**row, column: _part(row[column])} for row in rows)


def _gaps(told: Told) -> Iterator[dict[str, Any]]:
    """Rows as GAPS has them, of each cohort that a verdict speaks of."""
    first = told.judged.systems[0]
    for system in told.judged.verdicts:
        for row in told.verdict(system)["cohorts"]:
            if row["gap"] is not None:
                yield {"model": BASE if system == first else _part(system), "method": row["method"], "split": "test",
                       "bottom": row["cohort"], "top": row["against"], "gap_over_top": row["gap"]}


def _part(recogniser: str) -> str:
    """A name as a part of metrics' and tags': a slash would part it, and MLflow does not allow every character."""
    return metric_scope("", recogniser).removeprefix("/")
