"""A model version for the challenger of a run, unless these inputs have one."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

import evenvoice
from evenvoice.data.audio import Waveform, encode_flac
from evenvoice.errors import TrackingError
from evenvoice.tracking import comparison, lineage, manifest
from evenvoice.tracking.cost import costs
from evenvoice.tracking.lineage import Lineage
from evenvoice.tracking.location import Location
from evenvoice.tracking.run_files import RunFiles
from evenvoice.tracking.store import RecordedRun, Store, Version

REQUIREMENTS: Final = ("mlflow", "numpy", "pandas", "pydantic", "PyYAML", "safetensors", "scipy", "sentencepiece",
                       "soundfile", "soxr", "torch")
"""What the served model imports; named here because MLflow's own search takes half a minute."""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What came of it."""

    version: int
    created: bool
    inputs: str
    verdict: str
    arm: str


@dataclass(frozen=True, kw_only=True)
class ServedSettings:
    """What the served model is told beside its weights."""

    sample_rate: int
    """Default of the parameter ``sample_rate``, in Hz."""
    max_duration_s: float
    """Longer recordings are refused."""


def cost_tags(files: RunFiles, min_speakers: int) -> dict[str, str]:
    """What the model costs, as tags of its version."""
    return {f"{lineage.COST}/{name}": f"{value:.6g}" for name, value in costs(files, min_speakers).items()}


def register(*, store: Store, location: Location, files: RunFiles, dag_run: str,
             settings: ServedSettings, min_speakers: int) -> Registration:
    """Find or make the version of this run's challenger and point the alias ``challenger`` at it.

    A crash at any point is completed by the next call: the logged model, the private table and the version are each
    found again by the digest of the inputs.

    Args:
        settings: of the served model.
        min_speakers: cohorts with fewer are not told about.

    Raises:
        TrackingError: the run was not recorded.
        ArtifactError: a file of the run is missing, or the verdict is about another model.
        TransientError: MLflow does not answer.
    """
    run = recorded_run(store, dag_run)
    files.demand_one_origin()
    with tempfile.TemporaryDirectory() as scratch:
        served = Path(scratch) / lineage.RECOGNISER
        inputs = manifest.collect(files.model(files.challenger), files.verdict_file, served)
        with location.locked():
            known = store.find_version(inputs)
            version = known or _create(store, location, files, run, served, inputs, settings,
                                       cost_tags(files, min_speakers))
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
            settings: ServedSettings, cost: Mapping[str, str]) -> Version:
    speakers = comparison.keep_speakers(files.evaluation, files.challenger, location.speakers(inputs))
    package = Path(evenvoice.__file__).parent
    logged_model = store.log_model(
        run.id, directory=served, requirements=requirements(), code=package, inputs=inputs, example=example_audio(),
        served_model=package / "tracking" / "served_model.py", sample_rate=settings.sample_rate,
        max_duration_s=settings.max_duration_s)
    tags = {**_lineage(files, run).tags(), **cost, lineage.INPUTS: inputs, lineage.SPEAKERS: speakers,
            lineage.REPORT: f"runs:/{run.id}/{files.report.name}"}
    return store.create_version(logged_model=logged_model, run=run.id, tags=tags)


def _lineage(files: RunFiles, run: RecordedRun) -> Lineage:
    return Lineage(dag_run=run.tags[lineage.DAG_RUN], commit=run.tags[lineage.COMMIT],
                   dirty=run.tags[lineage.DIRTY] == "true", data=files.data_hash(), verdict=files.verdict,
                   arm=files.challenger, speech=files.speech, executed=lineage.executed_of(run.tags))


def requirements() -> list[str]:
    """The versions of the lock, by which stages are installed wherever they run; here there may be no torch at all."""
    lock = (Path(evenvoice.__file__).parents[1] / "locks" / "run.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"(?m)^([\w.-]+)==([^\s+]+)", lock))
    return [f"{name}=={pinned[name.lower()]}" for name in REQUIREMENTS]


def example_audio(rate: int = 16_000) -> bytes:
    """Half a second of a 440 Hz tone as FLAC: shows the form of the input and holds nobody's voice."""
    samples = 0.1 * np.sin(2 * np.pi * 440 * np.arange(rate // 2) / rate)
    return encode_flac(Waveform(samples=samples.astype(np.float32), rate=rate))
