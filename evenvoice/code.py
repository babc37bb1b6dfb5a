"""Hash of the package's own code: what a half-finished result must share with the code that goes on with it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent


@cache
def package_digest(*parts: str) -> str:
    """Hash of some files and folders of the package, or of all of it where none is named."""
    files = {file for part in parts or ("",) for file in _files(ROOT / part)}
    digest = hashlib.sha256()
    for file in sorted(files):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else list(path.rglob("*.py"))
