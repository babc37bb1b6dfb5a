"""Where a registry's database says its files are, on tables as MLflow lays them out."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from evenvoice.errors import TrackingError, TransientError
from evenvoice.storage import write_text
from evenvoice.tracking import relocate as module
from evenvoice.tracking.__main__ import main
from evenvoice.tracking.location import Location, local_path
from evenvoice.tracking.relocate import demand_in_place, relocate

TABLES = """
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name VARCHAR(256), artifact_location VARCHAR(256));
CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY, status VARCHAR(9), artifact_uri VARCHAR(200));
CREATE TABLE logged_models (model_id VARCHAR(500) PRIMARY KEY, artifact_location VARCHAR(1000));
CREATE TABLE model_versions (name VARCHAR(256), version INTEGER, current_stage VARCHAR(20), source VARCHAR(500),
                             storage_location VARCHAR(500), PRIMARY KEY (name, version));
CREATE TABLE tags (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32), PRIMARY KEY (key, run_uuid));
CREATE TABLE params (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32), PRIMARY KEY (key, run_uuid));
"""


@dataclass
class Registry:
    """A home with a database of one experiment, one finished run, one model and its version."""

    home: Path
    stated: str
    """What the database says of the directory of artifacts."""
    location: Location = field(init=False)

    def __post_init__(self) -> None:
        self.database = self.home / "mlflow/mlflow.db"
        self.artifacts = self.home / "mlflow/artifacts"
        self.location = Location(home=self.home, tracking_uri=f"sqlite:///{self.database}")
        self.database.parent.mkdir(parents=True)
        with closing(sqlite3.connect(self.database)) as connection:
            connection.executescript(TABLES)
        self.say("INSERT INTO experiments VALUES (1, 'train_asr', ?)", self.stated)
        self.say("INSERT INTO runs VALUES ('r1', 'FINISHED', ?)", f"{self.stated}/r1/artifacts")
        self.say("INSERT INTO logged_models VALUES ('m1', ?)", f"{self.stated}/models/m1/artifacts")
        self.say("INSERT INTO model_versions VALUES ('evenvoice-asr', 1, 'None', 'models:/m1', ?)",
                 f"{self.stated}/models/m1/artifacts")
        write_text(self.artifacts / "r1/artifacts/index.html", "page")
        write_text(self.artifacts / "models/m1/artifacts/MLmodel", "flavors: {python_function: {code: code}}")
        write_text(self.artifacts / "models/m1/artifacts/code/model.py", "pass")

    def say(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(statement, values)

    def paths(self) -> list[str]:
        """Of the experiment, the run, the model and its version."""
        with closing(sqlite3.connect(self.database)) as connection:
            return [text for (text,) in connection.execute(
                "SELECT artifact_location FROM experiments UNION ALL SELECT artifact_uri FROM runs UNION ALL "
                "SELECT artifact_location FROM logged_models UNION ALL SELECT storage_location FROM model_versions")]

    def one(self, query: str) -> str:
        with closing(sqlite3.connect(self.database)) as connection:
            return str(connection.execute(query).fetchone()[0])

    def below(self, root: str) -> list[str]:
        """What :meth:`paths` gives when everything lies below ``root``."""
        return [root, f"{root}/r1/artifacts", f"{root}/models/m1/artifacts", f"{root}/models/m1/artifacts"]


def test_a_registry_in_its_own_place_needs_nothing(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home", stated=f"{tmp_path}/home/mlflow/artifacts")
    before = registry.database.read_bytes()
    demand_in_place(registry.location)
    done = relocate(registry.location)
    assert (done.backup, done.runs, done.notes) == (None, 0, ())
    assert registry.database.read_bytes() == before


def test_before_the_first_run_nothing_is_demanded(tmp_path: Path) -> None:
    location = Location(home=tmp_path, tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    demand_in_place(location)
    assert not list(tmp_path.iterdir())
    (tmp_path / "mlflow.db").touch()
    demand_in_place(location)


@pytest.mark.parametrize("stated", ["s3://bucket/mlflow", "mlflow-artifacts:/1"])
def test_artifacts_in_another_store_are_left_alone(tmp_path: Path, stated: str) -> None:
    registry = Registry(tmp_path / "home", stated=stated)
    demand_in_place(registry.location)
    assert relocate(registry.location).backup is None
    assert registry.paths() == registry.below(stated)


def test_a_local_experiment_is_looked_for_beside_the_database_although_new_ones_go_to_an_object_store(
        tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home", stated=f"{tmp_path}/home/mlflow/artifacts")
    stored = Location(home=registry.home, tracking_uri=registry.location.tracking_uri, artifact_store="s3://bucket/x")
    demand_in_place(stored)
    registry.say("UPDATE experiments SET artifact_location = '/old/artifacts'")
    with pytest.raises(TrackingError, match="got /old/artifacts instead"):
        demand_in_place(stored)


@pytest.mark.parametrize(("stated", "home", "expected"), [
    ("/old/artifacts", "new", "{home}/mlflow/artifacts"),
    ("/old disk/é/artifacts", "né w", "{home}/mlflow/artifacts"),
    ("file:///old/artifacts", "new", "file://{home}/mlflow/artifacts"),
    ("file:///old%20disk/%C3%A9/artifacts", "né w", "file://{quoted}/mlflow/artifacts"),
    ("file://localhost/old/artifacts", "new", "file://{home}/mlflow/artifacts"),
    ("file:/old/artifacts", "50%", "file://{quoted}/mlflow/artifacts"),
])
def test_paths_and_urls_keep_their_form(tmp_path: Path, stated: str, home: str, expected: str) -> None:
    registry = Registry(tmp_path / home, stated=stated)
    done = relocate(registry.location)
    root = expected.format(home=registry.home, quoted=registry.home.as_uri().removeprefix("file://"))
    assert registry.paths() == registry.below(root)
    assert local_path(registry.paths()[0]) == registry.artifacts
    assert (done.experiments, done.runs, done.models, done.versions, done.others) == (1, 1, 1, 1, 0)
    demand_in_place(registry.location)


def test_a_second_call_changes_nothing_and_makes_no_backup(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home", stated="/old/artifacts")
    first, again = relocate(registry.location), relocate(registry.location)
    assert (first.runs, again.runs, again.backup) == (1, 0, None)
    assert len(list(registry.database.parent.glob("mlflow.db*"))) == 2


def test_only_what_lies_below_the_old_place_is_rewritten_and_what_a_run_was_given_stays(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home", stated="/old/artifacts")
    for key, value in (("below", "/old/artifacts/r1/x"), ("beside", "/old/artifacts2/x"),
                       ("named", "see /old/artifacts")):
        registry.say("INSERT INTO tags VALUES (?, ?, 'r1')", key, value)
    registry.say("INSERT INTO params VALUES ('ingest.corpus', '/old/artifacts/r1/x', 'r1')")
    registry.say("INSERT INTO runs VALUES ('r2', 'FINISHED', 's3://bucket/old/artifacts/r2')")
    done = relocate(registry.location)
    assert (done.runs, done.others) == (1, 1)
    assert registry.one("SELECT value FROM tags WHERE key = 'below'") == f"{registry.artifacts}/r1/x"
    assert registry.one("SELECT value FROM tags WHERE key = 'beside'") == "/old/artifacts2/x"
    assert registry.one("SELECT value FROM tags WHERE key = 'named'") == "see /old/artifacts"
    assert registry.one("SELECT value FROM params") == "/old/artifacts/r1/x"
    assert registry.one("SELECT artifact_uri FROM runs WHERE run_uuid = 'r2'") == "s3://bucket/old/artifacts/r2"


@pytest.mark.parametrize("inside", ["old", "new"])
def test_one_place_may_lie_inside_the_other(tmp_path: Path, inside: str) -> None:
    home = tmp_path / "home"
    stated = f"{tmp_path}/home/mlflow/artifacts/r0" if inside == "old" else str(tmp_path)
    registry = Registry(home, stated=stated)
    relocate(registry.location)
    assert registry.paths() == registry.below(str(registry.artifacts))
    assert relocate(registry.location).backup is None


def test_without_the_files_nothing_is_rewritten(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home", stated="/old/artifacts")
    registry.artifacts.rename(tmp_path / "forgotten")
    with pytest.raises(TrackingError, match=r"must hold the files of /old/artifacts, got none of them instead"):
        relocate(registry.location)
    assert registry.paths() == registry.below("/old/artifacts")


@pytest.mark.parametrize(("lost", "said"), [
    ("MLmodel", "MLmodel must exist, got no such file"),
    ("code", "code must exist, got no such file"),
])
def test_a_version_without_a_file_it_needs_is_named(tmp_path: Path, lost: str, said: str) -> None:
    registry = Registry(tmp_path / "home", stated="/old/artifacts")
    model = registry.artifacts / "models/m1/artifacts"
    (model / lost).rename(tmp_path / "lost")
    with pytest.raises(TrackingError, match=f"version 1 of evenvoice-asr: {model}/{said}"):
        relocate(registry.location)
    assert registry.paths() == registry.below("/old/artifacts")
    assert [path.name for path in registry.database.parent.iterdir() if path.is_file()] == ["mlflow.db"]


def test_a_description_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home", stated="/old/artifacts")
    write_text(registry.artifacts / "models/m1/artifacts/MLmodel", "flavors: [")
    with pytest.raises(TrackingError, match=r"MLmodel must describe a model, got ParserError"):
        relocate(registry.location)


def test_a_version_that_was_deleted_needs_no_files(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home", stated="/old/artifacts")
    (registry.artifacts / "models").rename(tmp_path / "lost")
    registry.say("UPDATE model_versions SET current_stage = 'Deleted_Internal'")
    done = relocate(registry.location)
    assert done.notes == (f"{registry.artifacts}/models/m1/artifacts is missing",)
    assert registry.paths() == registry.below(str(registry.artifacts))


def test_a_finished_run_without_files_is_told_and_one_that_crashed_is_not(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home", stated="/old/artifacts")
    registry.say("INSERT INTO runs VALUES ('r2', 'FINISHED', '/old/artifacts/r2/artifacts')")
    registry.say("INSERT INTO runs VALUES ('r3', 'RUNNING', '/old/artifacts/r3/artifacts')")
    done = relocate(registry.location)
    assert (done.runs, done.notes) == (3, (f"{registry.artifacts}/r2/artifacts is missing",))


def test_a_file_that_was_cut_off_by_the_copy_is_named(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home", stated=f"{tmp_path}/old")
    write_text(tmp_path / "old/models/m1/artifacts/code/model.py", "pass  # and more")
    with pytest.raises(TrackingError, match=r"code/model\.py was not copied from .*old/models/m1/artifacts/code/"):
        relocate(registry.location)


def test_another_old_place_than_the_database_says_is_refused(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home", stated="/old/artifacts")
    with pytest.raises(TrackingError, match=r"the old place /elsewhere must be .* got /old/artifacts instead"):
        relocate(registry.location, origin=Path("/elsewhere"))
    assert relocate(registry.location, origin=Path("/old/artifacts/")).runs == 1


def test_paths_that_a_rewrite_by_hand_forgot_are_told_and_taken_by_naming_their_place(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home", stated="/old/artifacts")
    registry.say("UPDATE experiments SET artifact_location = ?", str(registry.artifacts))
    demand_in_place(registry.location)
    told = relocate(registry.location)
    assert told.backup is None
    assert [note for note in told.notes if "r1" in note] == [
        "/old/artifacts/r1/artifacts is missing; if it was moved here as well, give its old place by --from"]
    with pytest.raises(TrackingError, match="hold the files of /old, got none of them"):
        relocate(registry.location, origin=Path("/old"))
    done = relocate(registry.location, origin=Path("/old/artifacts"))
    assert (done.experiments, done.runs, done.versions, done.notes) == (0, 1, 1, ())


def test_a_server_is_not_relocated_from_here(tmp_path: Path) -> None:
    location = Location(home=tmp_path, tracking_uri="http://localhost:5000")
    demand_in_place(location)
    with pytest.raises(TrackingError, match=r"A server's artifacts are moved by its administrator\."):
        relocate(location)
    assert not list(tmp_path.iterdir())


def test_without_a_database_there_is_nothing_to_relocate(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=r"mlflow\.db must exist, got no such file"):
        relocate(Location(home=tmp_path, tracking_uri=f"sqlite:///{tmp_path}/mlflow.db"))
    assert not list(tmp_path.iterdir())


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)
    with pytest.raises(TrackingError, match=r"must be a SQLite database .* got file is not a database instead"):
        demand_in_place(Location(home=tmp_path, tracking_uri=f"sqlite:///{tmp_path}/mlflow.db"))


def test_a_database_in_use_is_worth_another_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_S", 0.05)
    registry = Registry(tmp_path / "home", stated="/old/artifacts")
    with closing(sqlite3.connect(registry.database, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match="be free within"):
            relocate(registry.location)
    assert relocate(registry.location).runs == 1


def test_who_writes_while_it_is_rewritten_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(tmp_path / "home", stated="/old/artifacts")
    whole, said = module._apply, threading.Event()

    def write() -> None:
        said.set()
        registry.say("INSERT INTO tags VALUES ('late', '/old/artifacts/late', 'r1')")

    writer = threading.Thread(target=write)

    def apply(connection: sqlite3.Connection, change: module._Change) -> None:
        if not said.is_set():
            writer.start()
            said.wait()
        whole(connection, change)

    monkeypatch.setattr(module, "_apply", apply)
    relocate(registry.location)
    writer.join()
    assert registry.one("SELECT count(*) FROM tags") == "1"
    assert registry.paths() == registry.below(str(registry.artifacts))


def test_the_backup_is_as_private_as_the_database(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "home", stated="/old/artifacts")
    registry.database.chmod(0o640)
    backup = relocate(registry.location).backup
    assert backup is not None
    assert Path(backup).stat().st_mode & 0o777 == 0o640


def test_the_command_tells_what_it_rewrote_and_leaves_nothing_else(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    registry = Registry(tmp_path / "home", stated="/old/artifacts")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("EVENVOICE_HOME", str(registry.home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert main(["relocate", "--from", "/old/artifacts"]) == 0
    named = f"{registry.database} names {registry.artifacts}"
    assert capsys.readouterr().out.startswith(f"{named} now. Rewritten: runs 1, models 1, versions 1. ")
    assert main(["relocate"]) == 0
    assert capsys.readouterr().out.startswith(f"Nothing to rewrite: {named} already.\n")
    assert not list((tmp_path / "here").iterdir())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    assert main(["relocate"]) == 3
