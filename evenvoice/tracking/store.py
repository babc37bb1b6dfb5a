"""The one module that talks to MLflow's tracking server and model registry.

Importing MLflow takes about five seconds, hence inside functions. Every call turns MLflow's exceptions into
:class:`TransientError` where the same call may succeed later and :class:`TrackingError` where it will not.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from evenvoice.errors import TrackingError, TransientError
from evenvoice.tracking import lineage
from evenvoice.tracking.location import Location
from evenvoice.tracking.names import RECOGNISER, Names
from evenvoice.tracking.product import Interface
from evenvoice.tracking.relocate import demand_in_place

if TYPE_CHECKING:
    from mlflow import MlflowClient

SETTINGS: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # Airflow retries the task; MLflow's own seven take four minutes
}
TRANSIENT_CODES: Final = frozenset({"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "INTERNAL_ERROR"})
"""MLflow gives a refused connection the code INTERNAL_ERROR."""
METRICS_PER_CALL: Final = 1000
PARAMS_PER_CALL: Final = 100

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Point:
    """One value of a metric."""

    name: str
    value: float
    step: int
    after_ms: int
    """Time since the start of the run: equal points logged twice are one point to MLflow."""


@dataclass(frozen=True, kw_only=True)
class RecordedRun:
    """An MLflow run as it stands."""

    id: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    started_at_ms: int


@dataclass(frozen=True, kw_only=True)
class Version:
    """A registered model version as it stands."""

    number: int
    run: str
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Pyfunc:
    """Somebody's registered model, told without loading it.

    Attributes:
        identity: another one whenever its files are others.
        inputs: its signature's, as MLflow writes them down; None where it has no signature.
        defaults: parameters of its signature.
        metadata: what whoever logged it said of it.
    """

    name: str
    version: int
    identity: str
    inputs: Sequence[Mapping[str, Any]] | None
    defaults: Mapping[str, Any]
    metadata: Mapping[str, Any]

    @property
    def uri(self) -> str:
        """Of this version."""
        return f"models:/{self.name}/{self.version}"


def _translated(method: Callable[Concatenate[Store, P], R]) -> Callable[Concatenate[Store, P], R]:
    @wraps(method)
    def call(self: Store, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with _own_errors(self.uri, method.__name__):
            return method(self, *args, **kwargs)

    return call


@contextmanager
def _own_errors(uri: str, call: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import OperationalError

    try:
        yield
    except (MlflowException, RequestException, OperationalError) as error:
        lasting = isinstance(error, MlflowException) and error.error_code not in TRANSIENT_CODES
        reason = " ".join(str(error).split())[:300]
        kind, rule, action = (
            (TrackingError, f"accept {call}", "Correct what it refused; the server's own log says more.") if lasting
            else (TransientError, f"answer {call}", "Try again; see that the server runs and its disk has room."))
        raise kind(name=f"MLflow at {_without_password(uri)}", rule=rule, value=reason, action=action) from error


def _without_password(uri: str) -> str:
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


class Store:
    """MLflow, by the few calls that evenvoice makes."""

    def __init__(self, location: Location, names: Names | None = None) -> None:
        """Connect; a new SQLite database is made under the lock, since its migrations must not run twice at once.

        Args:
            location: of the registry.
            names: experiment and model that it is about; those of the recogniser, unless there are others.

        Raises:
            TrackingError: the registry was moved, and its database still says the old place; nothing is written then.
            TransientError: MLflow does not answer.
        """
        demand_in_place(location)
        self.uri = location.tracking_uri
        self.names = names or RECOGNISER
        self._artifacts = location.artifacts
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow warns of its own type hints while it is imported
            import mlflow.pyfunc
        if location.database is None:
            self._client = self._connect()
        else:
            location.database.parent.mkdir(parents=True, exist_ok=True)
            with location.locked():
                self._client = self._connect()
        mlflow.set_tracking_uri(self.uri)

    @_translated
    def _connect(self) -> MlflowClient:
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        client.search_registered_models(max_results=1)  # opens the registry's tables too
        return client

    # runs

    @_translated
    def find_run(self, identity: str, *, tag: str = lineage.DAG_RUN) -> RecordedRun | None:
        """The run of a DAG run, or of what else ``tag`` tells runs apart by, or None."""
        experiment = self._client.get_experiment_by_name(self.names.experiment)
        if experiment is None:
            return None
        found = self._client.search_runs([experiment.experiment_id], max_results=1,
                                         filter_string=f"tags.`{tag}` = '{identity}'")
        if not found:
            return None
        run = found[0]
        return RecordedRun(id=run.info.run_id, tags=run.data.tags, metrics=run.data.metrics,
                           started_at_ms=int(run.info.start_time))

    @_translated
    def create_run(self, identity: str, *, tag: str = lineage.DAG_RUN, name: str | None = None) -> RecordedRun:
        """Start the run that ``find_run`` finds; the caller holds the lock and knows that there is none.

        Args:
            name: for people; the identity where there is no other.
        """
        experiment = self._client.get_experiment_by_name(self.names.experiment)
        experiment_id = experiment.experiment_id if experiment else self._client.create_experiment(
            self.names.experiment, artifact_location=self._artifacts)
        run = self._client.create_run(experiment_id, run_name=name or identity, tags={tag: identity})
        return RecordedRun(id=run.info.run_id, tags=run.data.tags, metrics={},
                           started_at_ms=int(run.info.start_time))

    @_translated
    def log(self, run: RecordedRun, *, params: Mapping[str, str], points: Sequence[Point],
            tags: Mapping[str, str]) -> None:
        """Log parameters, metrics and tags; what is there already with the same value is not added again."""
        from mlflow.entities import Metric, Param, RunTag

        for chunk in _chunks([Param(name, value) for name, value in params.items()], PARAMS_PER_CALL):
            self._client.log_batch(run.id, params=chunk)
        metrics = [Metric(point.name, point.value, run.started_at_ms + point.after_ms, point.step) for point in points]
        for chunk in _chunks(metrics, METRICS_PER_CALL):
            self._client.log_batch(run.id, metrics=chunk)
        self._client.log_batch(run.id, tags=[RunTag(name, value) for name, value in tags.items()])

    @_translated
    def log_file(self, run: str, path: Path) -> None:
        """Keep a file with the run, under its own name."""
        self._client.log_artifact(run, str(path))

    @_translated
    def finish_run(self, run: str) -> None:
        """Mark the run as complete."""
        self._client.set_terminated(run, status="FINISHED")

    # models

    @_translated
    def log_model(self, run: str, *, directory: Path, requirements: Sequence[str], code: Path, interface: Interface,
                  inputs: str) -> str:
        """Keep the files of ``directory`` as a pyfunc model of this run and return its id.

        A complete one with the same inputs is taken instead, so a crash between here and the registry costs nothing.
        """
        experiment = self._client.get_run(run).info.experiment_id
        for known in self._client.search_logged_models(
                [experiment], filter_string=f"tags.`{lineage.INPUTS}` = '{inputs}'"):
            if str(known.status) == "READY":
                return str(known.model_id)
        model = self._client.create_logged_model(experiment, name=directory.name, source_run_id=run,
                                                 tags={lineage.INPUTS: inputs})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _log_pyfunc(model.model_id, directory=directory, requirements=requirements, code=code,
                        interface=interface)
        return str(model.model_id)

    @_translated
    def find_version(self, inputs: str) -> Version | None:
        """The oldest version with these inputs, or None."""
        found = self._client.search_model_versions(
            f"name = '{self.names.model}' and tags.`{lineage.INPUTS}` = '{inputs}'")
        return min((_version(entity) for entity in found), key=lambda version: version.number, default=None)

    @_translated
    def create_version(self, *, logged_model: str, run: str, tags: Mapping[str, str]) -> Version:
        """Register a logged model as the next version."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(self.names.model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return _version(self._client.create_model_version(self.names.model, source=f"models:/{logged_model}",
                                                          run_id=run, tags=dict(tags), model_id=logged_model))

    @_translated
    def version(self, number: int) -> Version:
        """A version by its number."""
        return _version(self._client.get_model_version(self.names.model, str(number)))

    @_translated
    def alias(self, name: str) -> int | None:
        """The version an alias points at, or None."""
        model = self._registered_model()
        target = model.aliases.get(name) if model is not None else None
        return int(target) if target is not None else None

    @_translated
    def set_alias(self, name: str, number: int) -> None:
        """Point an alias at a version; MLflow overwrites without asking, so the caller holds the lock."""
        self._client.set_registered_model_alias(self.names.model, name, str(number))

    @_translated
    def anchor(self) -> str | None:
        """The hash of the newest audit line that MLflow was told of."""
        model = self._registered_model()
        return model.tags.get(lineage.AUDIT_HEAD) if model is not None else None

    @_translated
    def set_anchor(self, digest: str) -> None:
        """Remember the hash of the newest audit line."""
        self._client.set_registered_model_tag(self.names.model, lineage.AUDIT_HEAD, digest)

    @_translated
    def download(self, number: int, into: Path) -> Path:
        """Copy a version's model files and their manifest from the artifact store."""
        from mlflow.artifacts import download_artifacts

        source = self._client.get_model_version_download_uri(self.names.model, str(number))
        return Path(download_artifacts(artifact_uri=f"{source}/artifacts/{self.names.product}", dst_path=str(into)))

    # anybody's models

    @_translated
    def pyfunc(self, name: str, *, number: str | None, alias: str | None) -> Pyfunc:
        """The version of this number or alias, or else the newest."""
        from mlflow.models import get_model_info

        if alias is not None:
            number = self._client.get_model_version_by_alias(name, alias).version
        if number is None:
            versions = self._client.search_model_versions(f"name = '{name}'")
            number = str(max((int(version.version) for version in versions), default=0))
        version = self._client.get_model_version(name, number)
        info = get_model_info(f"models:/{name}/{version.version}")
        signature = info.signature
        return Pyfunc(name=name, version=int(version.version), metadata=info.metadata or {},
                      identity=f"{info.model_uuid} {version.run_id} {version.creation_timestamp}",
                      inputs=signature.inputs.to_dict() if signature and signature.inputs else None,
                      defaults={param.name: param.default for param in (signature.params or ())} if signature else {})

    @_translated
    def load_pyfunc(self, uri: str) -> Any:
        """Load one, whose packages have to be those of this environment."""
        import mlflow.pyfunc

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return mlflow.pyfunc.load_model(uri)

    def _registered_model(self) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_registered_model(self.names.model)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise


def _version(entity: Any) -> Version:
    return Version(number=int(entity.version), run=str(entity.run_id), tags=dict(entity.tags))


def _chunks(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start:start + size]


def _log_pyfunc(model_id: str, *, directory: Path, requirements: Sequence[str], code: Path, interface: Interface
                ) -> None:
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array

    kinds = {"doubles": Array(DataType.double)}
    signature = ModelSignature(
        inputs=Schema([ColSpec(kinds.get(kind) or getattr(DataType, kind), name, required=False)
                       for name, kind in interface.inputs.items()]),
        outputs=Schema([ColSpec(getattr(DataType, kind), name) for name, kind in interface.outputs.items()]),
        params=ParamSchema([ParamSpec(name, getattr(DataType, kind), default)
                            for name, (kind, default) in interface.params.items()]))
    mlflow.pyfunc.log_model(
        name=directory.name, model_id=model_id, python_model=str(interface.code), code_paths=[str(code)],
        artifacts={directory.name: str(directory)}, pip_requirements=list(requirements), signature=signature,
        input_example=pd.DataFrame({name: [value] for name, value in interface.example.items()}),
        model_config=dict(interface.config))
