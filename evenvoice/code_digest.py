"""One digest over the code that stages run: an image and a workspace hold the same code when theirs agree.

Standard library only, since DAG files, `make images` and tests compute it alike.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

STAGE_CODE = ("evenvoice", "stages", "worker")
"""What decides how a stage runs. Parameters and graph are not among it: they belong to the run, not to the image."""


def tree_digest(root: Path, parts: Sequence[str] = STAGE_CODE) -> str:
    """sha256, in hex, over names and contents of :func:`code_files`.

    Raises:
        FileNotFoundError: one of ``parts`` is not there, so there is nothing to compare.
    """
    digest = hashlib.sha256()
    for name in code_files(root, parts):
        content = (root / name).read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def code_files(root: Path, parts: Sequence[str] = STAGE_CODE) -> list[str]:
    """Sorted names of the files under ``parts``: in a checkout what git tracks or would track, elsewhere all.

    A workspace is no checkout, but was copied from one by the same rule; what Python compiled there does not count.

    Raises:
        FileNotFoundError: one of ``parts`` is not there.
    """
    names = _tracked(root, parts) if (root / ".git").exists() else _present(root, parts)
    for part in parts:
        if not any(name == part or name.startswith(f"{part}/") for name in names):
            raise FileNotFoundError(f"{root / part} must hold code, got no file instead")
    return sorted(names)


def _tracked(root: Path, parts: Sequence[str]) -> list[str]:
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *parts]
    listed = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=True).stdout  # noqa: S603
    return [name for name in set(filter(None, listed.split("\0"))) if (root / name).is_file()]


def _present(root: Path, parts: Sequence[str]) -> list[str]:
    found = [path for part in parts for path in ((root / part).rglob("*") if (root / part).is_dir() else [root / part])]
    return [path.relative_to(root).as_posix() for path in found
            if path.is_file() and "__pycache__" not in path.relative_to(root).parts]
