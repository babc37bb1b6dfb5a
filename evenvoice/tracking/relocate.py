"""A registry that was moved or copied: where its database says that its files are, and the rewrite of that.

MLflow keeps absolute paths: the experiment's, and made from it those of every run, logged model and version. In another
place they lead back to the old one, where nothing may be left to load and nothing may be written any more. So nobody
opens a registry whose database says another place than its own, and one command rewrites it. MLflow has no call for
that: this module changes MLflow's tables itself, those of a local SQLite file and no others.

The rewrite is one transaction of SQLite, after a backup. Killed at any point, the database says the old place or the
new one.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from evenvoice.errors import ArtifactError, TrackingError, TransientError
from evenvoice.storage import read_bytes, sync
from evenvoice.tracking import manifest
from evenvoice.tracking.location import Location, local_path
from evenvoice.tracking.names import EVERY, RECORDED

COMMAND: Final = "`make relocate` (or `python -m evenvoice.tracking relocate`)"
WAIT_S: Final = 20.0
"""As long as MLflow waits for a database that is in use."""
GIVEN: Final = frozenset({"params", "logged_model_params"})
"""Tables of what a run was given: history, and not where something is."""
RUN: Final = ("runs", "artifact_uri")
LOGGED_MODEL: Final = ("logged_models", "artifact_location")
VERSION: Final = (("model_versions", "storage_location"), ("model_versions", "source"))
DELETED: Final = "Deleted_Internal"
"""What MLflow leaves of a version that was deleted."""
OF_LOADING: Final = frozenset({"__pycache__", "registered_model_meta"})
"""What loading a model leaves in its folder."""
SHOWN: Final = 5
"""Of many missing things, so many are named."""


@dataclass(frozen=True, kw_only=True)
class Relocation:
    """What came of it: how many entries of each kind were rewritten."""

    database: str
    artifacts: str
    """Where the files are."""
    origins: tuple[str, ...]
    """Where the database said that they were."""
    backup: str | None
    """The database as it was before; None when nothing was rewritten."""
    experiments: int = 0
    runs: int = 0
    models: int = 0
    versions: int = 0
    others: int = 0
    """Rows of other tables."""
    notes: tuple[str, ...] = ()
    """What is missing of runs and models that no version needs."""


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """One value of the database that is a path on this machine."""

    table: str
    column: str
    row: int
    text: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class _Change:
    """An entry below the old place, and where its file should be now."""

    entry: _Entry
    target: Path

    @property
    def text(self) -> str:
        """The new value in the form of the old one: a path or a URL."""
        return str(self.target) if self.entry.text.startswith("/") else self.target.as_uri()


def demand_in_place(location: Location) -> None:
    """See that a local database, if there is one yet, says of its files that they are beside it.

    Raises:
        TrackingError: it says another place, or is damaged.
        TransientError: it is in use for too long.
    """
    origin = stated_elsewhere(location)
    if origin is not None:
        raise TrackingError(
            name=f"MLflow's database {location.database}", rule=f"name {location.folder} as the place of its files",
            value=origin, action=f"The registry was moved or copied, and nothing was written: run {COMMAND}, which "
                                 "rewrites the database.")


def stated_elsewhere(location: Location) -> Path | None:
    """The other place that a local database says its files are in; None where all is well, and for servers.

    Raises:
        TrackingError: the database is damaged.
        TransientError: it is in use for too long.
    """
    if location.database is None or not location.database.exists():
        return None
    with _opened(location.database) as connection:
        return next(iter(_origins(connection, location.folder)), None)


def relocate(location: Location, *, origin: Path | None = None) -> Relocation:
    """Make the database say that its files are beside it; calling again changes nothing.

    Args:
        location: the registry in its new place.
        origin: the old directory of artifacts; without it, the one that the database says.

    Raises:
        TrackingError: there is no local database, ``origin`` is not what the database says, or files that a version
            needs are not in the new place. The database is untouched then.
        TransientError: the registry or its database is in use for too long.
    """
    database = _local_database(location)
    with location.locked(), _opened(database) as connection:
        connection.execute("BEGIN IMMEDIATE")  # nobody writes between the backup and the change
        roots = _roots(connection, location.folder, origin)
        entries = list(_entries(connection))
        changes = _changes(entries, roots, location.folder)
        notes = (*_absent_files(connection, changes), *_nowhere(entries, changes, location.folder))
        if not changes:
            return Relocation(database=str(database), artifacts=str(location.folder), origins=(), backup=None,
                              notes=notes)
        _demand_files(changes, roots, location.folder)
        _demand_versions(connection, changes, location.folder)
        backup = _backed_up(database)
        for change in changes:
            _apply(connection, change)
        connection.commit()
    return Relocation(database=str(database), artifacts=str(location.folder), origins=tuple(map(str, roots)),
                      backup=str(backup), notes=notes, **_counts(changes))


def _local_database(location: Location) -> Path:
    if location.database is None:
        raise TrackingError(name="the registry to relocate", rule="be a SQLite database on this machine",
                            value="the server of MLFLOW_TRACKING_URI",
                            action="A server's artifacts are moved by its administrator.")
    if not location.database.exists():
        raise TrackingError(name=f"MLflow's database {location.database}", rule="exist", value="no such file",
                            action="Copy the folders `mlflow` and `registry` to EVENVOICE_HOME first, then try again.")
    return location.database.resolve()


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=rw", uri=True, timeout=WAIT_S,
                                     isolation_level=None)) as connection:
            yield connection
    except (sqlite3.Error, OSError) as error:
        busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        kind, rule, action = (
            (TransientError, f"be free within {WAIT_S:g} s", "Try again when nothing else uses it.") if busy else
            (TrackingError, "be a SQLite database that can be read and written",
             "See that its disk has room and that it is yours; restore it from a backup if it is damaged."))
        raise kind(name=f"MLflow's database {database}", rule=rule, value=error, action=action) from error


def _origins(connection: sqlite3.Connection, target: Path) -> list[Path]:
    """Places other than ``target`` that the database says the files of our experiment are in: none, or one."""
    if not _columns(connection, "experiments"):
        return []
    stated = {local_path(text) for (text,) in connection.execute(
        f"SELECT artifact_location FROM experiments WHERE name IN ({', '.join('?' * len(RECORDED))}) "  # noqa: S608
        "AND artifact_location IS NOT NULL", tuple(names.experiment for names in RECORDED))}
    return sorted(path for path in stated if path is not None and os.path.realpath(path) != os.path.realpath(target))


def _roots(connection: sqlite3.Connection, target: Path, origin: Path | None) -> list[Path]:
    stated = _origins(connection, target)
    if origin is None:
        return stated
    given = list(dict.fromkeys([Path(os.path.abspath(origin)), origin.resolve()]))  # noqa: PTH100 (links stay)
    if any(path not in given for path in stated):
        raise TrackingError(name=f"the old place {origin}", rule="be the one that our experiments were made with",
                            value=", ".join(map(str, stated)), action="Give that one, or none at all.")
    return given


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [str(name) for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def _entries(connection: sqlite3.Connection) -> Iterator[_Entry]:
    """Every path on this machine, in whatever table a version of MLflow keeps it."""
    tables = [str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in sorted(set(tables) - GIVEN):
        for column in _columns(connection, table):
            query = (f'SELECT rowid, "{column}" FROM "{table}" WHERE typeof("{column}") = \'text\' '  # noqa: S608
                     f'AND (substr("{column}", 1, 1) = \'/\' OR substr("{column}", 1, 5) = \'file:\')')
            for row, text in connection.execute(query):
                path = local_path(text)
                if path is not None:
                    yield _Entry(table=table, column=column, row=row, text=text, path=path)


def _changes(entries: Sequence[_Entry], roots: Sequence[Path], target: Path) -> list[_Change]:
    found = []
    for entry in entries:
        root = next((root for root in roots if entry.path.is_relative_to(root)), None)
        # the new place may lie inside the old one, and the old one inside the new one
        if root is not None and not (target.is_relative_to(root) and entry.path.is_relative_to(target)):
            found.append(_Change(entry=entry, target=target / entry.path.relative_to(root)))
    return found


def _demand_files(changes: Sequence[_Change], roots: Sequence[Path], target: Path) -> None:
    if not any(change.target.exists() for change in changes):
        raise TrackingError(name=str(target), rule=f"hold the files of {' or '.join(map(str, roots))}",
                            value="none of them", action="Copy the whole folder first; the database is untouched.")


def _demand_versions(connection: sqlite3.Connection, changes: Sequence[_Change], target: Path) -> None:
    names = {row: f"version {version} of {name}" for row, name, version in connection.execute(
        "SELECT rowid, name, version FROM model_versions WHERE current_stage IS NOT ?", (DELETED,))}
    lacking = [f"{names[change.entry.row]}: {lack}" for change in changes
               if (change.entry.table, change.entry.column) in VERSION and change.entry.row in names
               and (lack := _lack(change)) is not None]
    found = list(dict.fromkeys(lacking))
    if found:
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise TrackingError(name=str(target), rule="hold every file of every version",
                            value=f"{'; '.join(found[:SHOWN])}{more}",
                            action="Copy what is missing from the old place, or delete in MLflow a version that is "
                                   "gone; the database is untouched.")


def _lack(change: _Change) -> str | None:
    """The first file that the folder of a model lacks or that was altered; None when it is whole."""
    try:
        for path in _named_files(change.target):
            if not path.exists():
                return f"{path} must exist, got no such file"
        for served in (change.target / "artifacts" / names.product for names in EVERY):
            if served.exists():
                manifest.verify(served)
    except ArtifactError as error:
        return f"{error.name} must {error.rule}, got {error.value}"
    return _uncopied(change)


def _named_files(place: Path) -> list[Path]:
    """What MLflow opens to load the model in ``place``.

    Raises:
        ArtifactError: the model's description is missing or cannot be read.
    """
    described = place / "MLmodel"
    try:
        flavor: Any = yaml.safe_load(read_bytes(described))["flavors"].get("python_function", {})
        named = [flavor.get("code"), *(kept["path"] for kept in flavor.get("artifacts", {}).values())]
    except (yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise ArtifactError(name=str(described), rule="describe a model", value=f"{type(error).__name__}: {error}",
                            action="Copy it again from the old place.") from error
    return [place / name for name in named if name]


def _uncopied(change: _Change) -> str | None:
    """The first file that lies in the old place, where that is still there, and not, or not whole, in the new one."""
    for folder, folders, names in os.walk(change.entry.path):
        folders[:] = sorted(set(folders) - OF_LOADING)
        for name in sorted(set(names) - OF_LOADING):
            old = Path(folder) / name
            new = change.target / old.relative_to(change.entry.path)
            if not new.exists() or new.lstat().st_size != old.lstat().st_size:
                return f"{new} was not copied from {old}"
    return None


def _absent_files(connection: sqlite3.Connection, changes: Sequence[_Change]) -> Iterator[str]:
    """What is missing of finished runs and of logged models; a run that crashed at its start has no files."""
    alive = {(RUN, row) for (row,) in connection.execute("SELECT rowid FROM runs WHERE status = 'FINISHED'")}
    if _columns(connection, LOGGED_MODEL[0]):
        alive |= {(LOGGED_MODEL, row) for (row,) in connection.execute("SELECT rowid FROM logged_models")}
    for change in changes:
        if ((change.entry.table, change.entry.column), change.entry.row) not in alive:
            continue
        lack = _uncopied(change)
        if lack is not None:
            yield lack
        elif not change.target.exists():
            yield f"{change.target} is missing"


def _nowhere(entries: Sequence[_Entry], changes: Sequence[_Change], target: Path) -> Iterator[str]:
    """Files of runs and models that are neither where the database says nor below the place it was asked to replace."""
    changed = {change.entry for change in changes}
    for entry in entries:
        if (entry.table, entry.column) in (RUN, LOGGED_MODEL) and entry not in changed \
                and not entry.path.is_relative_to(target) and not entry.path.exists():
            yield f"{entry.path} is missing; if it was moved here as well, give its old place by --from"


def _backed_up(database: Path) -> Path:
    """A copy of the database as it is, whole or absent, that its owner alone may read if that is so of the database."""
    draft = database.with_name(f".{database.name}.backup.draft")
    for left in (draft, draft.with_name(f"{draft.name}-journal")):
        left.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    with _opened(database) as source, _opened(draft) as copy:
        source.backup(copy)
    shutil.copymode(database, draft)
    sync(draft)
    kept = database.with_name(f"{database.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}")
    draft.rename(kept)
    sync(kept.parent)
    return kept


def _apply(connection: sqlite3.Connection, change: _Change) -> None:
    entry = change.entry
    connection.execute(f'UPDATE "{entry.table}" SET "{entry.column}" = ? WHERE rowid = ?',  # noqa: S608
                       (change.text, entry.row))


def _counts(changes: Sequence[_Change]) -> dict[str, int]:
    kinds = {"experiments": "experiments", "runs": "runs", "logged_models": "models", "model_versions": "versions"}
    rows = {(change.entry.table, change.entry.row) for change in changes}
    counts = dict.fromkeys((*kinds.values(), "others"), 0)
    for table, _row in rows:
        counts[kinds.get(table, "others")] += 1
    return counts
