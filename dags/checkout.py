"""What a checkout holds and which commit it is of: a clone, an archive without git, or an image."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pathspec import GitIgnoreSpec

from evenvoice.errors import WorkspaceError

COMMIT: Final = "EVENVOICE_COMMIT"
"""Set where the code is an image's: its commit, with "+changes" where it was built from a changed checkout."""
ARCHIVED: Final = ".git_archival.txt"
"""`git archive` writes its commit there, as .gitattributes asks; in a clone the placeholder stays."""
COMPILED: Final = "__pycache__/"
NONE: Final = "none"
"""In place of a commit that is not known."""


def is_clone(root: Path) -> bool:
    """Whether git knows what belongs to ``root``; elsewhere it is all that .gitignore does not name."""
    return (root / ".git").exists()


def files(root: Path) -> list[str]:
    """Sorted names of what belongs to the checkout: made things and caches do not.

    Raises:
        WorkspaceError: git is not there or cannot read the clone.
    """
    if not is_clone(root):
        return sorted(_not_ignored(root))
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return sorted(filter(None, set(listed)))


def origin(root: Path) -> dict[str, Any]:
    """``commit`` of the files, "none" where nothing says it, and whether they differ from it (``dirty``).

    Nothing tells of an archive whether somebody changed it, so ``dirty`` is true there: the commit proves nothing.

    Raises:
        WorkspaceError: git is not there or cannot read the clone.
    """
    if is_clone(root):
        return {"commit": _git(root, "rev-parse", "--verify", "--quiet", "HEAD", check=False).strip() or NONE,
                "dirty": bool(_git(root, "status", "--porcelain"))}
    if given := os.environ.get(COMMIT):
        commit, _, changes = given.partition("+")
        return {"commit": commit, "dirty": bool(changes)}
    return {"commit": archived_commit(root), "dirty": True}


def archived_commit(root: Path) -> str:
    """The commit that `git archive` wrote into the files."""
    path = root / ARCHIVED
    written = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    return NONE if not written or written.startswith("$") else written


def _not_ignored(root: Path) -> Iterator[str]:
    """Names of files that .gitignore does not name; ignored folders, among them .venv, are not walked."""
    path = root / ".gitignore"
    patterns = path.read_text(encoding="utf-8").splitlines() if path.exists() else []  # an image has none
    ignored = GitIgnoreSpec.from_lines([COMPILED, *patterns])
    for folder, folders, names in os.walk(root):
        inside = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not ignored.match_file(f"{(inside / name).as_posix()}/")]
        yield from (name for name in ((inside / name).as_posix() for name in names) if not ignored.match_file(name))


def _git(root: Path, *arguments: str, check: bool = True) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        raise WorkspaceError(name="git", rule=f"be installed, since {root} is a clone", value="no git on PATH",
                             action="Install git, or work in an archive of the code, which has no .git.") from None
    if done.returncode and check:
        raise WorkspaceError(name=str(root), rule="be a git checkout", value=done.stderr.strip() or "git failed",
                             action="Mend what git says, or clone the repository anew.")
    return done.stdout
