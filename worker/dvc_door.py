"""The one door to DVC: its commands, its settings, and how it reads and writes dvc.lock.

    python -m worker.dvc_door repro --single-item train     as `dvc repro`
    python -m worker.dvc_door state                         restores what the cache has, and prints what changed since

Every command is a process of its own, because DVC's locks belong to processes and its import takes half a second.

DVC reads dvc.lock for an update by a round trip in pure Python that keeps comments, 1.2 s for our 54 KB, and writes it
in place, where whoever reads beside it finds half a file. Here it is read by libyaml and replaced as a whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from evenvoice import dvc_lock

CODE: Final = Path(__file__).resolve().parents[1]
STATE: Final = "state"
REMOTE: Final = "store"


def command(*arguments: str) -> tuple[str, ...]:
    """The command line of `dvc ARGUMENTS`, or of :data:`STATE`."""
    return (sys.executable, "-m", "worker.dvc_door", *arguments)


def run(*arguments: str, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of DVC in ``directory``, by default the current one, and return what it said."""
    path = os.pathsep.join(filter(None, (str(CODE), os.environ.get("PYTHONPATH"))))
    return subprocess.run(command(*arguments), cwd=directory, env={**os.environ, "PYTHONPATH": path},  # noqa: S603
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def config(*, cache: str = "", remote: str = "") -> str:
    """DVC's settings for a workspace that is no git repository.

    Content is verified on every pull, since DVC otherwise takes a damaged object for what it asked for. Credentials
    and endpoint stay in the environment, where DVC finds them itself, so no secret lies in a workspace.

    Args:
        cache: directory that workspaces on this machine share; empty for one of its own.
        remote: s3:// address at which results are kept as well; empty for none.
    """
    lines = ["[core]", "analytics = false", "check_update = false", "no_scm = true"]
    lines += [f"remote = {REMOTE}"] if remote else []
    lines += ["[cache]", 'type = "reflink,hardlink,copy"', *([f"dir = {cache}"] if cache else [])]
    lines += [f"['remote \"{REMOTE}\"']", f"url = {remote}", "verify = true"] if remote else []
    return "".join(f"{line}\n" if line.startswith("[") else f"    {line}\n" for line in lines)


def edit_lock(path: Path) -> AbstractContextManager[Any]:
    """The lock that DVC holds while it edits ``path``, whose name with `.lock` behind it is the lock's."""
    from dvc.lock import make_lock
    lock: AbstractContextManager[Any] = make_lock(str(path.with_name(f"{path.name}.lock")), tmp_dir=str(path.parent),
                                                  wait=True)
    return lock


def main() -> int:
    """Obey as DVC's own command line does."""
    import dvc.dvcfile
    dvc.dvcfile.modify_yaml = _replaced
    if sys.argv[1:] == [STATE]:
        return _print_state()
    from dvc.cli import main as obey
    return int(obey())


def _print_state() -> int:
    """Both questions in one process; the last line of the output is the answer, as JSON."""
    from dvc.repo import Repo
    with Repo() as repo:
        repo.checkout(force=True, allow_missing=True)
        print(json.dumps(sorted(repo.status())))
    return 0


@contextmanager
def _replaced(path: str, fs: object = None) -> Iterator[dict[str, Any]]:
    """Stands for `modify_yaml`, by which DVC changes its lock file: yields the content, and keeps what became of it."""
    content: dict[str, Any] = {"stages": stages} if (stages := dvc_lock.entries(Path(path))) else {}
    yield content
    dvc_lock.write(Path(path), json.loads(json.dumps(content["stages"])))  # ordered dictionaries become plain ones


if __name__ == "__main__":
    sys.exit(main())
