"""Files that are whole or absent: every stage writes through here, so nothing is ever half-written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evenvoice.errors import ArtifactError


@contextmanager
def fresh_directory(path: Path) -> Iterator[Path]:
    """Yield an empty temporary directory that replaces ``path`` when the block ends without an error."""
    draft = path.with_name(f".{path.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        for file in draft.rglob("*"):
            if file.is_file():
                sync(file)
        shutil.rmtree(path, ignore_errors=True)
        draft.rename(path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to a temporary neighbour, flush it to disk and rename it over ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync(path.parent)


def write_text(path: Path, content: str) -> None:
    """:func:`write_bytes` for UTF-8 text."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: Any) -> None:
    """:func:`write_bytes` for JSON with sorted keys, so equal content gives equal bytes; NaN is refused."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_bytes(path: Path) -> bytes:
    """Read a file written by a stage.

    Raises:
        ArtifactError: the file is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ArtifactError(name=str(path), rule="exist", value="no such file",
                            action="Run the stage that writes it (`dvc dag` shows which).") from None
    except OSError as error:
        raise ArtifactError(name=str(path), rule="be a file that can be read", value=error.strerror or str(error),
                            action="Correct the path or its permissions.") from error


def read_json(path: Path) -> Any:
    """Read JSON written by a stage.

    Raises:
        ArtifactError: the file is missing, cannot be read, or is not JSON.
    """
    try:
        return json.loads(read_bytes(path).decode())
    except ValueError as error:
        raise ArtifactError(name=str(path), rule="be JSON", value=str(error),
                            action="Delete it and run the stage that writes it again.") from error


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_each(paths: Iterable[Path]) -> list[str]:
    """:func:`sha256` of files, in their order, on all cores: hashing lets go of the interpreter."""
    with ThreadPoolExecutor(cores(), thread_name_prefix="sha256") as threads:
        return list(threads.map(sha256, paths))


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def sync(path: Path) -> None:
    """Wait until a file, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
