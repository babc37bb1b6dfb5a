"""The stack's env file: made at the first start with its secrets, read ever after, never written over."""

from __future__ import annotations

import base64
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dags.runs import state_of
from evenvoice.errors import ParamsError, PreflightError

IMAGE_UID: Final = 10001
_LINE: Final = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")
_PLAIN: Final = re.compile(r"[A-Za-z0-9 ._~:/@,+=-]*")
"""Values that every version of compose reads alike: no quotes, no dollar signs, no comments."""


@dataclass(frozen=True)
class StackFile:
    """The env file of one checkout's stack."""

    path: Path
    values: dict[str, str] = field(repr=False)
    """Holds secrets, which must not appear in a traceback."""

    def __getitem__(self, name: str) -> str:
        return self.values[name]


def env_file(root: Path) -> Path:
    """Beside compose.yaml and not in the state folder, which every stage can read."""
    return root / "docker" / "stack.env"


def read_or_make(root: Path, *, socket: Path) -> tuple[StackFile, bool]:
    """The settings, and whether they were made just now.

    Raises:
        ParamsError: a line is not NAME=value, or a setting is missing.
        PreflightError: others can read the file.
    """
    path = env_file(root)
    made = not path.exists()
    if made:
        _write_once(path, _render(root, socket))
    if path.stat().st_mode & 0o077:
        raise PreflightError(name=str(path), rule="be readable for its owner only", value=f"{path.stat().st_mode:o}",
                             action=f"chmod 600 {path}")
    values = _parse(path)
    absent = [name for _, settings in _SECTIONS for name, _ in settings if name not in values]
    if absent:
        raise ParamsError(name=str(path), rule="have every setting", value=f"no {', '.join(absent)}",
                          action="Add the lines; docs/stack.md says what they mean.")
    return StackFile(path, values), made


def _write_once(path: Path, text: str) -> None:
    """Whole, private from the beginning, and never over a file that somebody else made in the meantime."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _parse(path: Path) -> dict[str, str]:
    values = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None or not _PLAIN.fullmatch(found[2]):
            raise ParamsError(name=f"{path}:{number}", rule="be NAME=value, without quotes, $ and #",
                              value=line.partition("=")[0], action="Correct the line.")
        values[found[1]] = found[2]
    return values


def _render(root: Path, socket: Path) -> str:
    lines = ["# Made by `make up-stack`. Holds secrets: keep it, keep it private, and copy it with the data."]
    for title, settings in _SECTIONS:
        lines += ["", f"# {title}"]
        lines += [f"{name}={value(root, socket)}" for name, value in settings]
    return "\n".join(lines) + "\n"


Value = Callable[[Path, Path], str]


def _fixed(text: str) -> Value:
    return lambda _root, _socket: text


def _secret(_root: Path, _socket: Path) -> str:
    return secrets.token_urlsafe(24)


def _fernet(_root: Path, _socket: Path) -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _uid(_root: Path, _socket: Path) -> str:
    return str(os.getuid() or IMAGE_UID)


def _gid(_root: Path, _socket: Path) -> str:
    return str(os.getgid() or IMAGE_UID)


_SECTIONS: Final[tuple[tuple[str, tuple[tuple[str, Value], ...]], ...]] = (
    ("Name of the stack on this engine, and its ports, on this machine only", (
        ("STACK_NAME", _fixed("evenvoice")), ("AIRFLOW_PORT", _fixed("8080")), ("MLFLOW_PORT", _fixed("5000")),
        ("S3_PORT", _fixed("9000")))),
    ("Where runs are kept and corpora are read (one folder each), at the same path in every container", (
        ("EVENVOICE_HOME", lambda root, _socket: str(state_of(root))),
        ("EVENVOICE_CORPORA", lambda root, _socket: str(root / "corpora")))),
    ("Who owns what is in there", (("EVENVOICE_UID", _uid), ("EVENVOICE_GID", _gid))),
    ("The engine's socket and the group that may use it", (
        ("DOCKER_SOCKET", lambda _root, socket: str(socket)),
        ("DOCKER_SOCKET_GID", lambda _root, socket: str(socket.stat().st_gid)))),
    ("Images; POSTGRES_IMAGE may be an official one, such as postgres:15", (
        ("STAGE_IMAGE", _fixed("evenvoice/stage:local")), ("STAGE_REPOSITORIES", _fixed("evenvoice/stage")),
        ("AIRFLOW_IMAGE", _fixed("evenvoice/airflow:local")), ("POSTGRES_IMAGE", _fixed("evenvoice/postgres:local")),
        ("OBJECTSTORE_IMAGE", _fixed("evenvoice/objectstore:local")),
        ("DOCKER_PROXY_IMAGE", _fixed("evenvoice/docker-proxy:local")))),
    ("Tasks at once, the memory of the service that runs them, GPUs of this machine", (
        ("AIRFLOW_PARALLELISM", _fixed("4")), ("AIRFLOW_SCHEDULER_MEMORY", _fixed("6g")),
        ("EVENVOICE_GPUS", lambda _root, _socket: _gpus()))),
    ("The object store; for one elsewhere set its endpoint and keys, and STAGES_INTERNAL=false", (
        ("S3_ENDPOINT", _fixed("http://objectstore:8085")), ("S3_REGION", _fixed("us-east-1")),
        ("S3_ACCESS_KEY", _fixed("evenvoice:store")), ("S3_SECRET_KEY", _secret),
        ("S3_MLFLOW_BUCKET", _fixed("evenvoice-mlflow")), ("S3_DVC_BUCKET", _fixed("evenvoice-dvc")),
        ("S3_CORPORA_BUCKET", _fixed("evenvoice-corpora")), ("STAGES_INTERNAL", _fixed("true")))),
    ("Passwords for people: user admin in Airflow, user admin in MLflow", (
        ("AIRFLOW_ADMIN_PASSWORD", _secret), ("MLFLOW_ADMIN_PASSWORD", _secret))),
    ("Passwords and keys between services", (
        ("POSTGRES_PASSWORD", _secret), ("AIRFLOW_DB_PASSWORD", _secret), ("MLFLOW_DB_PASSWORD", _secret),
        ("MLFLOW_PIPELINE_PASSWORD", _secret), ("MLFLOW_SECRET_KEY", _secret), ("AIRFLOW_FERNET_KEY", _fernet),
        ("AIRFLOW_SECRET_KEY", _secret), ("AIRFLOW_JWT_SECRET", lambda _root, _socket: secrets.token_urlsafe(64)))),
    ("Replaces names of speakers by pseudonyms; another key makes other pseudonyms", (
        ("EVENVOICE_PSEUDONYM_KEY", _secret),)),
)


def _gpus() -> str:
    from dags.runners.gpus import gpus_here

    return str(gpus_here())
