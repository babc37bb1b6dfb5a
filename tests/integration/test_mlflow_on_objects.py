"""MLflow's files in a real object store: recorded, registered and loaded again, through a server and without one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dags.runs import state_of
from evenvoice.params import load_params
from evenvoice.tracking import lineage
from evenvoice.tracking.location import Location
from evenvoice.tracking.product import ServedSettings
from evenvoice.tracking.record import record
from evenvoice.tracking.register import register
from evenvoice.tracking.store import Store
from ops.environment import environment
from ops.services import mlflow_service
from tests.builders.models import tiny_recogniser
from tests.builders.object_server import ObjectServer
from tests.builders.run_files import write_run

pytestmark = [
    pytest.mark.engine,
    pytest.mark.filterwarnings("ignore"),  # MLflow and SQLAlchemy warn about each other
]


@pytest.fixture
def artifacts(object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address for MLflow's files, which the environment leads to."""
    url = f"s3://{object_server.make_bucket()}/mlflow"
    for name, value in {**object_server.environment(), "EVENVOICE_ARTIFACTS": url}.items():
        monkeypatch.setenv(name, value)
    return url


@contextmanager
def mlflow_server(root: Path) -> Iterator[str]:
    """The server as `make up` starts it; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        service = mlflow_service(root, probe.getsockname()[1])
    (state_of(root) / "mlflow").mkdir(parents=True)
    with (root / "log").open("wb") as log:
        server = subprocess.Popen(service.argv, cwd=root, env=environment(root), stdout=log, stderr=log,
                                  start_new_session=True)
    try:
        address = f"http://127.0.0.1:{service.port}"
        deadline = time.monotonic() + 180
        while not answers(address + service.health):
            assert server.poll() is None, (root / "log").read_text()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.3)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def registered(location: Location, root: Path) -> Store:
    """A run that was recorded and registered as version 1."""
    tiny_recogniser(seed=0).save(root / "model")
    files, store = write_run(root / "run-1", model=root / "model"), Store(location)
    record(store=store, location=location, files=files, dag_run="run-1", commit="0123abc", dirty=False,
           params=load_params(files.params_file))
    register(store=store, location=location, files=files, dag_run="run-1",
             settings=ServedSettings(sample_rate=8000, max_duration_s=30.0), min_speakers=5)
    return store


def stored(server: ObjectServer, url: str) -> list[str]:
    bucket = url.removeprefix("s3://").partition("/")[0]
    found: dict[str, Any] = server.client().list_objects_v2(Bucket=bucket)
    return [entry["Key"] for entry in found.get("Contents", ())]


def test_a_server_keeps_its_files_in_the_store_and_gives_them_back(artifacts: str, object_server: ObjectServer,
                                                                  tmp_path: Path) -> None:
    import mlflow.artifacts

    with mlflow_server(tmp_path) as address:
        store = registered(Location(home=tmp_path / "home", tracking_uri=address), tmp_path)
        assert store.alias(lineage.CHALLENGER) == 1
        run = store.find_run("run-1")
        assert run is not None
        mlflow.artifacts.download_artifacts(run_id=run.id, artifact_path="index.html", dst_path=str(tmp_path / "got"),
                                            tracking_uri=address)
    assert (tmp_path / "got/index.html").read_bytes() == (tmp_path / "run-1/reports/index.html").read_bytes()
    keys = stored(object_server, artifacts)
    assert [key for key in keys if key.endswith("verdict.json")]
    assert [key for key in keys if key.endswith(".safetensors")]
    assert not list((state_of(tmp_path) / "mlflow").rglob("*.safetensors"))


def test_without_a_server_the_files_go_to_the_store_as_well(artifacts: str, object_server: ObjectServer, tmp_path: Path,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENVOICE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    registered(Location.from_environment(), tmp_path)
    keys = stored(object_server, artifacts)
    assert [key for key in keys if key.startswith("mlflow/") and key.endswith(".safetensors")]
    assert not list((tmp_path / "home").rglob("*.safetensors"))
