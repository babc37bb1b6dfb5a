"""A model version for the challenger of a run, unless these inputs have one."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import evenvoice
from evenvoice.errors import TrackingError
from evenvoice.tracking import lineage
from evenvoice.tracking.lineage import Lineage
from evenvoice.tracking.location import Location
from evenvoice.tracking.product import Interface, Product, ServedSettings
from evenvoice.tracking.recogniser import RECOGNISER
from evenvoice.tracking.run_files import RunFiles
from evenvoice.tracking.store import RecordedRun, Store, Version


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What came of it."""

    version: int
    created: bool
    inputs: str
    verdict: str
    arm: str


def register(*, store: Store, location: Location, files: RunFiles, dag_run: str,
             settings: ServedSettings, min_speakers: int, product: Product = RECOGNISER) -> Registration:
    """Find or make the version of this run's challenger and point the alias ``challenger`` at it.

    A crash at any point is completed by the next call: the logged model, the private table and the version are each
    found again by the digest of the inputs.

    Args:
        settings: of the served model.
        min_speakers: cohorts with fewer are not told about.
        product: what the run makes.

    Raises:
        TrackingError: the run was not recorded.
        ArtifactError: a file of the run is missing, or the verdict is about another model.
        TransientError: MLflow does not answer.
    """
    run = recorded_run(store, dag_run)
    files.demand_one_origin()
    with tempfile.TemporaryDirectory() as scratch:
        served = Path(scratch) / product.names.product
        inputs = product.collect(files, served)
        with location.locked():
            known = store.find_version(inputs)
            version = known or _create(store, location, files, run, served, inputs, product.interface(settings),
                                       product, product.tags(files, min_speakers))
            store.set_alias(lineage.CHALLENGER, version.number)
    store.log(run, params={}, points=[], tags={lineage.MODEL_VERSION: str(version.number)})
    return Registration(version=version.number, created=known is None, inputs=inputs, verdict=files.verdict,
                        arm=files.challenger)


def recorded_run(store: Store, dag_run: str) -> RecordedRun:
    """The MLflow run of a DAG run.

    Raises:
        TrackingError: there is none.
    """
    run = store.find_run(dag_run)
    if run is None:
        raise TrackingError(name=f"DAG run {dag_run}", rule="be recorded first", value="no MLflow run",
                            action="Run `python -m evenvoice.tracking record` for it.")
    return run


def _create(store: Store, location: Location, files: RunFiles, run: RecordedRun, served: Path, inputs: str,
            interface: Interface, product: Product, further: Mapping[str, str]) -> Version:
    evidence = product.keep_evidence(files, location.speakers(inputs))
    logged_model = store.log_model(run.id, directory=served, requirements=requirements(interface.requirements),
                                   code=Path(evenvoice.__file__).parent, inputs=inputs, interface=interface)
    tags = {**_lineage(files, run).tags(), **further, lineage.INPUTS: inputs, lineage.SPEAKERS: evidence,
            lineage.REPORT: f"runs:/{run.id}/{files.report.name}"}
    return store.create_version(logged_model=logged_model, run=run.id, tags=tags)


def _lineage(files: RunFiles, run: RecordedRun) -> Lineage:
    return Lineage(dag_run=run.tags[lineage.DAG_RUN], commit=run.tags[lineage.COMMIT],
                   dirty=run.tags[lineage.DIRTY] == "true", data=files.data_hash(), verdict=files.verdict,
                   arm=files.challenger, speech=files.speech, executed=lineage.executed_of(run.tags))


def requirements(packages: Sequence[str]) -> list[str]:
    """The versions of the lock, by which stages are installed wherever they run; here there may be no torch at all."""
    lock = (Path(evenvoice.__file__).parents[1] / "locks" / "run.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"(?m)^([\w.-]+)==([^\s+]+)", lock))
    return [f"{name}=={pinned[name.lower()]}" for name in packages]
