"""`make doctor` finds a registry that was moved, and names the command that mends it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ops.doctor import CHECKS, registry_place


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "EVENVOICE_ARTIFACTS"):
        monkeypatch.delenv(name, raising=False)


def write_registry(root: Path, *, stated: str) -> Path:
    database = root / ".evenvoice/mlflow/mlflow.db"
    database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE experiments (name TEXT, artifact_location TEXT)")
        connection.execute("INSERT INTO experiments VALUES ('train_asr', ?)", (stated,))
    return database


def test_a_registry_that_was_moved_is_found_with_its_remedy(tmp_path: Path) -> None:
    database = write_registry(tmp_path, stated="/old/artifacts")
    [found] = registry_place(tmp_path)
    assert found.found == f"{database} says that its files are in /old/artifacts"
    assert found.remedy == "It was moved or copied: run `make relocate` (or `python -m evenvoice.tracking relocate`)."
    assert found.needed
    assert registry_place in CHECKS


def test_a_registry_in_its_place_a_new_one_and_a_server_need_nothing(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = write_registry(tmp_path / "whole", stated=f"{tmp_path}/whole/.evenvoice/mlflow/artifacts")
    assert [(found.found, found.remedy) for found in registry_place(tmp_path / "whole")] == [(str(database), "")]
    assert [(found.found, found.remedy) for found in registry_place(tmp_path / "new")] == [("none yet", "")]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://name:secret@host:5000")
    [found] = registry_place(tmp_path / "whole")
    assert (found.found, found.remedy) == ("at a server, which knows where its files are", "")


def test_a_damaged_database_is_found(tmp_path: Path) -> None:
    database = write_registry(tmp_path, stated="/old/artifacts")
    database.write_bytes(b"no database" * 100)
    [found] = registry_place(tmp_path)
    assert found.found == f"MLflow's database {database}: file is not a database"
    assert "restore it from a backup" in found.remedy
