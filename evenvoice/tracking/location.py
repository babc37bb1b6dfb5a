"""Where MLflow, the private registry store and the audit record are, and the lock that serialises changes to them."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from evenvoice.errors import TransientError
from evenvoice.object_store import Address
from evenvoice.tracking.names import Names

LOCK_WAIT_S = 60.0
SECONDS_BETWEEN_TRIES = 0.05


@dataclass(frozen=True, kw_only=True)
class Location:
    """The evenvoice home on this machine and the MLflow that goes with it."""

    home: Path
    tracking_uri: str
    artifact_store: str = ""
    """``s3://bucket/prefix`` where the files of new experiments go; empty for a directory beside the database."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Location:
        """EVENVOICE_HOME, else ``.evenvoice`` here; MLFLOW_TRACKING_URI, else SQLite inside the home.

        EVENVOICE_ARTIFACTS gives the artifact store.

        Raises:
            ParamsError: EVENVOICE_ARTIFACTS is no address in an object store.
        """
        home = Path(environment.get("EVENVOICE_HOME") or ".evenvoice").resolve()
        uri = environment.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
        return cls(home=home, tracking_uri=uri, artifact_store=artifact_store(environment))

    @property
    def database(self) -> Path | None:
        """The SQLite file behind the tracking URI, or None for a server."""
        scheme, _, path = self.tracking_uri.partition(":///")
        return Path(path) if scheme == "sqlite" else None

    @property
    def artifacts(self) -> str | None:
        """Where a new experiment keeps its files; None leaves it to the MLflow server."""
        if self.tracking_uri.startswith(("http://", "https://")):
            return None
        if self.artifact_store:
            return self.artifact_store
        return str(self.folder)

    @property
    def folder(self) -> Path:
        """The directory beside the database, where files lie that are in no object store and at no server."""
        beside = self.database or self.home / "mlflow" / "mlflow.db"
        return beside.resolve().parent / "artifacts"

    def trail(self, names: Names) -> Path:
        """JSON lines, one per move of a product's champion."""
        return self.home / "registry" / names.trail

    def speakers(self, inputs: str) -> Path:
        """Errors per test speaker, or scores of trials, of the version with these inputs; never handed to MLflow."""
        return self.home / "registry" / "speakers" / f"{inputs}.parquet"

    @contextmanager
    def locked(self, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
        """Hold the registry's lock; the kernel lets go of it however this process ends.

        It serialises processes that share the home. MLflow itself offers no compare-and-set, so a registry that is
        changed from several machines needs its home on a disk they share.

        Raises:
            TransientError: another process held it for longer than ``wait_s``.
        """
        path = self.home / "registry" / "lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            _acquire(descriptor, path, wait_s)
            yield
        finally:
            os.close(descriptor)


def artifact_store(environment: Mapping[str, str] = os.environ) -> str:
    """Return the address in EVENVOICE_ARTIFACTS, or an empty text.

    Raises:
        ParamsError: it is no address in an object store.
    """
    url = environment.get("EVENVOICE_ARTIFACTS", "")
    return str(Address.parse(url)) if url else ""


def local_path(uri: str) -> Path | None:
    """The file or directory behind a plain path or a file URL, as MLflow reads both; None for what lies elsewhere."""
    if uri.startswith("/"):
        return Path(url2pathname(uri))
    parts = urlsplit(uri)
    here = parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/")
    return Path(url2pathname(parts.path)) if here else None


def _acquire(descriptor: int, path: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TransientError(name=f"the registry lock {path}", rule=f"become free within {wait_s:g} s",
                                     value="another process that holds it",
                                     action="Try again when the other command has ended.") from None
        time.sleep(SECONDS_BETWEEN_TRIES)
