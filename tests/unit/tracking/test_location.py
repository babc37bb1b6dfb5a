"""Where the registry is, and that one process at a time changes it."""

import subprocess
import sys
from pathlib import Path

import pytest

from evenvoice.errors import TransientError
from evenvoice.tracking.location import Location, local_path

HOLD_AND_DIE = """
import os, sys
from pathlib import Path
from evenvoice.tracking.location import Location
with Location(home=Path(sys.argv[1]), tracking_uri="sqlite:///x").locked():
    print("held", flush=True)
    sys.stdin.readline()
    os._exit(9)
"""


def test_without_settings_everything_lies_in_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    location = Location.from_environment({})
    assert location.tracking_uri == f"sqlite:///{tmp_path}/.evenvoice/mlflow/mlflow.db"
    assert location.artifacts == f"{tmp_path}/.evenvoice/mlflow/artifacts"


def test_a_server_decides_itself_where_artifacts_go() -> None:
    location = Location.from_environment({"EVENVOICE_HOME": "/data", "MLFLOW_TRACKING_URI": "http://localhost:5000"})
    assert location.artifacts is None
    assert location.database is None


def test_artifacts_lie_beside_the_database_that_was_named() -> None:
    location = Location.from_environment({"EVENVOICE_HOME": "/data", "MLFLOW_TRACKING_URI": "sqlite:////other/m.db"})
    assert location.artifacts == "/other/artifacts"


@pytest.mark.parametrize(("uri", "expected"), [
    ("/data/né disk", "/data/né disk"),
    ("/data/50%", "/data/50%"),
    ("/data/a%20b", "/data/a b"),  # so MLflow reads it
    ("file:///data/n%C3%A9%20disk", "/data/né disk"),
    ("file://localhost/data", "/data"),
    ("file:/data", "/data"),
])
def test_paths_and_file_urls_lead_to_this_machine(uri: str, expected: str) -> None:
    assert local_path(uri) == Path(expected)


@pytest.mark.parametrize("uri", ["s3://bucket/data", "models:/m-1", "file://other/data", "file:data", "data", ""])
def test_what_lies_elsewhere_has_no_path_here(uri: str) -> None:
    assert local_path(uri) is None


def test_a_second_process_waits_and_gets_the_lock_when_the_first_is_killed(tmp_path: Path) -> None:
    location = Location(home=tmp_path, tracking_uri="sqlite:///x")
    with subprocess.Popen([sys.executable, "-c", HOLD_AND_DIE, str(tmp_path)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TransientError, match="another process that holds it"), location.locked(wait_s=0.1):
            pass
        holder.stdin.write("\n")
        holder.stdin.flush()
        with location.locked(wait_s=20):
            assert holder.wait() == 9
