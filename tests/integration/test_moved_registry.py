"""A registry in another place, with the real MLflow: refused before anything is written, rewritten by one command."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from evenvoice.data.audio import Waveform, encode_flac
from evenvoice.errors import TrackingError
from evenvoice.params import load_params
from evenvoice.tracking.audit import Trail
from evenvoice.tracking.comparison import Rules
from evenvoice.tracking.location import Location
from evenvoice.tracking.names import RECOGNISER
from evenvoice.tracking.product import ServedSettings
from evenvoice.tracking.promotion import Approval, Outcome, promote, roll_back
from evenvoice.tracking.record import record
from evenvoice.tracking.register import register
from evenvoice.tracking.relocate import relocate
from evenvoice.tracking.run_files import RunFiles
from evenvoice.tracking.store import Store
from tests.builders.models import tiny_recogniser
from tests.builders.run_files import ERRORS, ROOT, write_run

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # MLflow and SQLAlchemy warn about each other
]

TONE = Waveform(samples=(0.1 * np.sin(np.arange(8000) / 5)).astype(np.float32), rate=8000)


def location_at(home: Path) -> Location:
    return Location(home=home, tracking_uri=f"sqlite:///{home}/mlflow/mlflow.db")


def champion_of(location: Location, files: RunFiles) -> Outcome:
    """Record, register and promote a run."""
    store, name = Store(location), files.workspace.name
    record(store=store, location=location, files=files, dag_run=name, commit="0123abc", dirty=False,
           params=load_params(files.params_file))
    register(store=store, location=location, files=files, dag_run=name,
             settings=ServedSettings(sample_rate=8000, max_duration_s=30.0), min_speakers=5)
    return promote(store=store, location=location, files=files, dag_run=name,
                   rules=Rules(margin=0.03, confidence=0.95, replicates=300, seed=1))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The place of a registry with two versions, of which the second is champion."""
    root = tmp_path_factory.mktemp("first")
    for seed in (0, 1):
        tiny_recogniser(seed=seed).save(root / f"model-{seed}")
    location = location_at(root / "home")
    champion_of(location, write_run(root / "run-1", model=root / "model-0"))
    champion_of(location, write_run(root / "run-2", model=root / "model-1", errors=[n // 2 for n in ERRORS]))
    return root


@pytest.fixture
def moved(first: Path, tmp_path: Path) -> Location:
    """The registry as docs/operations.md says to copy it, on a disk whose name has to be quoted in a URL."""
    home = tmp_path / "né disk"
    for part in ("registry", "mlflow"):
        shutil.copytree(first / "home" / part, home / part)
    return location_at(home)


def listing(place: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder with its size and the time of its last change."""
    return {str(path.relative_to(place)): (path.lstat().st_size, path.lstat().st_mtime_ns)
            for path in sorted(place.rglob("*"))}


def transcribed(alias: str) -> str:
    import mlflow.pyfunc
    import pandas as pd

    model = mlflow.pyfunc.load_model(f"models:/{RECOGNISER.model}@{alias}")
    return str(model.predict(pd.DataFrame({"audio": [encode_flac(TONE)]}))["text"][0])


def command(location: Location, *arguments: str, cwd: Path, program: tuple[str, ...] = ("-m", "evenvoice.tracking"),
            ) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "EVENVOICE_HOME": str(location.home), "PYTHONPATH": str(ROOT),
                   "MLFLOW_TRACKING_URI": location.tracking_uri}
    return subprocess.run([sys.executable, *program, *arguments], cwd=cwd, env=environment, check=False,
                          capture_output=True, text=True)


def dump(location: Location) -> list[str]:
    assert location.database is not None
    with closing(sqlite3.connect(location.database)) as connection:
        return list(connection.iterdump())


def test_a_copied_registry_is_refused_before_anything_is_written_to_either_place(first: Path, moved: Location) -> None:
    old, new = listing(first / "home"), listing(moved.home)

    with pytest.raises(TrackingError) as refused:
        Store(moved)

    assert str(refused.value) == (
        f"MLflow's database {moved.database} must name {moved.home}/mlflow/artifacts as the place of its files, got "
        f"{first}/home/mlflow/artifacts instead. The registry was moved or copied, and nothing was written: run `make "
        "relocate` (or `python -m evenvoice.tracking relocate`), which rewrites the database.")
    assert (listing(first / "home"), listing(moved.home)) == (old, new)


def test_a_command_on_a_copied_registry_asks_for_a_person(first: Path, moved: Location, tmp_path: Path) -> None:
    files, old = write_run(tmp_path / "run-3", model=first / "model-0"), listing(first / "home")

    done = command(moved, "record", "--run-id", "run-3", "--commit", "0123abc", cwd=files.workspace)

    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("TrackingError: MLflow's database ")
    assert "run `make relocate`" in done.stderr
    assert listing(first / "home") == old


def test_after_relocate_a_copy_serves_rolls_back_and_takes_new_runs_without_the_old_place(
        first: Path, moved: Location, tmp_path: Path) -> None:
    Store(location_at(first / "home"))
    expected = transcribed("champion")
    old = listing(first / "home")

    done = command(moved, "relocate", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert {name: result[name] for name in ("experiments", "runs", "models", "versions", "others", "notes")} == {
        "experiments": 1, "runs": 2, "models": 2, "versions": 2, "others": 0, "notes": []}
    assert not [line for line in dump(moved) if str(first) in line]
    store = Store(moved)
    assert transcribed("champion") == expected
    assert (store.alias("champion"), len(Trail.read(moved.trail(RECOGNISER)).entries)) == (2, 4)
    outcome = roll_back(store=store, location=moved, dag_run="rollback-1",
                        approval=Approval(by="the release lead", reason="moved"))
    assert (outcome.outcome, outcome.champion, store.alias("champion")) == ("rolled back", 1, 1)
    better = write_run(tmp_path / "run-3", model=first / "model-1", errors=[count // 4 for count in ERRORS],
                       limits={"max_gap": 0.4})
    assert (champion_of(moved, better).outcome, store.alias("champion")) == ("promoted", 3)
    run = store.find_run("run-3")
    assert run is not None
    assert (moved.home / "mlflow/artifacts" / run.id / "artifacts/index.html").is_file()
    assert listing(first / "home") == old


def test_a_registry_whose_old_place_is_gone_works_after_a_second_move(
        first: Path, moved: Location, tmp_path: Path) -> None:
    relocate(moved)
    shutil.move(moved.home, tmp_path / "third")
    third = location_at(tmp_path / "third")
    with pytest.raises(TrackingError, match="run `make relocate`"):
        Store(third)

    done = relocate(third)

    assert (done.runs, done.models, done.versions, done.notes) == (2, 2, 2, ())
    Store(third)
    transcribed("champion")
    transcribed("challenger")
    assert not moved.home.exists()


def test_a_disk_that_is_reached_by_another_link_needs_nothing(first: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(first / "home")
    Store(location_at(tmp_path / "link"))
    assert relocate(location_at(tmp_path / "link")).runs == 0


def test_a_link_that_leads_to_another_disk_is_a_move(first: Path, moved: Location, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(moved.home)
    linked = location_at(tmp_path / "link")
    with pytest.raises(TrackingError, match="run `make relocate`"):
        Store(linked)
    assert relocate(linked).artifacts == f"{moved.home}/mlflow/artifacts"
    Store(linked)
    transcribed("champion")


def test_a_copy_that_lacks_weights_is_refused_by_name(first: Path, moved: Location) -> None:
    lost = next((moved.home / "mlflow/artifacts/models").rglob("model.safetensors"))
    lost.unlink()
    before = dump(moved)

    with pytest.raises(TrackingError, match=r"of evenvoice-asr: .*model\.safetensors must have SHA-256"):
        relocate(moved)

    assert dump(moved) == before
    shutil.copyfile(first / "home" / lost.relative_to(moved.home), lost)
    assert relocate(moved).versions == 2


def test_files_that_exist_only_in_the_old_place_are_named(first: Path, moved: Location) -> None:
    [page, _] = sorted((moved.home / "mlflow/artifacts").glob("*/artifacts/index.html"))
    page.unlink()
    done = relocate(moved)
    assert done.runs == 2
    assert done.notes == (f"{page} was not copied from {first / 'home' / page.relative_to(moved.home)}",)


KILLED = """
import os, signal, sqlite3, sys
from evenvoice.tracking.__main__ import main

class Dying(sqlite3.Connection):
    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.execute("PRAGMA cache_size = 1")  # so that what is not committed reaches the file

    def commit(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def backup(self, target, **named):
        if sys.argv[1] == "backup":
            os.kill(os.getpid(), signal.SIGKILL)
        super().backup(target, **named)

connect = sqlite3.connect
sqlite3.connect = lambda *arguments, **named: connect(*arguments, **named, factory=Dying)
main(["relocate"])
"""


@pytest.mark.parametrize("moment", ["backup", "commit"])
def test_killed_before_its_end_the_database_says_the_old_place_and_the_next_try_finishes(
        moved: Location, tmp_path: Path, moment: str) -> None:
    before = dump(moved)

    assert command(moved, moment, cwd=tmp_path, program=("-c", KILLED)).returncode == -9

    assert (moved.home / "mlflow/mlflow.db-journal").exists() == (moment == "commit")
    assert dump(moved) == before
    assert relocate(moved).versions == 2
    Store(moved)
    transcribed("champion")


def test_the_backup_is_the_database_as_it_was(moved: Location) -> None:
    before = dump(moved)
    done = relocate(moved)
    assert done.backup is not None
    with closing(sqlite3.connect(done.backup)) as connection:
        assert list(connection.iterdump()) == before
    assert sorted(path.name for path in (moved.home / "mlflow").iterdir()) == [
        "artifacts", "mlflow.db", Path(done.backup).name]


def test_the_registry_beside_mlflow_holds_no_paths(first: Path) -> None:
    assert str(first) not in (first / "home/registry/audit.jsonl").read_text()
    tables = list((first / "home/registry/speakers").iterdir())
    assert len(tables) == 2
    assert not [path for path in tables if "/" in str(pq.read_table(path).to_pylist())]
