"""The one door to DVC: its commands, its settings, and how it reads and writes dvc.lock.

    python -m worker.dvc_door repro --single-item train     as `dvc repro`
    python -m worker.dvc_door state                         restores what the cache has, and prints what changed since
    python -m worker.dvc_door asked 5                       is asked by :class:`Asked`, and answers to descriptor 5

Every command is a process of its own, because DVC's locks belong to processes and its import takes half a second.

DVC reads dvc.lock for an update by a round trip in pure Python that keeps comments, 1.2 s for our 54 KB, and writes it
in place, where whoever reads beside it finds half a file. Here it is read by libyaml and replaced as a whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from evenvoice import dvc_lock
from evenvoice.errors import TransientError
from evenvoice.made_with import REPORT

CODE: Final = Path(__file__).resolve().parents[1]
STATE: Final = "state"
ASKED: Final = "asked"
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


@dataclass(frozen=True)
class Key:
    """What DVC's run-cache keeps a stage under."""

    value: str
    """Empty for a stage that always runs, or whose command, parameters or code DVC refuses: `repro` says why."""
    known_fits: bool
    """Whether the entry that was shown has the same."""


class Asked:
    """One process of DVC for a stage whose inputs may not be there: asked for its key, then perhaps to run it.

    It begins at once, so that its import goes on while its workspace, the current directory, is made. So it must not
    import from there: hence -P.
    """

    def __init__(self) -> None:
        answers, answer_to = os.pipe()
        self._answers = os.fdopen(answers, encoding="utf-8")
        python, *arguments = command(ASKED, str(answer_to))
        self.process = subprocess.Popen((python, "-P", *arguments), stdin=subprocess.PIPE,  # noqa: S603
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                                        pass_fds=(answer_to,))
        os.close(answer_to)

    def key(self, stage: str, inputs: Mapping[str, str], known: Mapping[str, Any] | None) -> Key:
        """Ask what the stage is kept under when its inputs, path -> MD5, are these.

        Raises:
            TransientError: the process ended.
        """
        self._tell({"stage": stage, "inputs": inputs, "known": known})
        answer = self._answers.readline()
        if not answer:
            assert self.process.stdout is not None
            said = self.process.stdout.read().decode("utf-8", errors="replace")
            raise TransientError(name=f"DVC for {stage}", rule="say its key",
                                 value=" ".join(said.split())[-400:] or "nothing",
                                 action="The stage is tried again.")
        return Key(**json.loads(answer))

    def run(self, stage: str, inputs: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Have the stage run, whatever an earlier run knows, and return the process that does so.

        Args:
            inputs: path -> MD5 of each file of its inputs that lies in the workspace, known to be right.
        """
        report = {name: os.environ[name] for name in (REPORT,) if name in os.environ}
        self._tell({"run": stage, "inputs": inputs, "environment": report})
        return self.process

    def close(self) -> None:
        """End the process. One that was asked to run has ended by itself; a question leaves nothing half-done."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self._answers):
            assert pipe is not None
            with suppress(BrokenPipeError):  # of a question that nobody read
                pipe.close()

    def _tell(self, question: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(question).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return  # it ended: no answer, or its own status, says so


def main() -> int:
    """Obey as DVC's own command line does."""
    import dvc.dvcfile
    dvc.dvcfile.modify_yaml = _replaced
    if sys.argv[1:] == [STATE]:
        return _print_state()
    if sys.argv[1:2] == [ASKED]:
        return _answer(int(sys.argv[2]))
    from dvc.cli import main as obey
    return int(obey())


def _print_state() -> int:
    """Both questions in one process; the last line of the output is the answer, as JSON."""
    from dvc.repo import Repo
    with Repo() as repo:
        repo.checkout(force=True, allow_missing=True)
        print(json.dumps(sorted(repo.status())))
    return 0


def _answer(to: int) -> int:
    """Answer what :class:`Asked` asks, until it asks to run the stage, or is gone."""
    from dvc.cli import main as obey
    from dvc.repo import Repo  # imported before the first question comes
    with os.fdopen(to, "w", encoding="utf-8") as answers:
        for line in sys.stdin:
            question = json.loads(line)
            with Repo() as repo:
                if "run" in question:
                    _trust(repo, question["inputs"])
                    break
                print(json.dumps(_key(repo, **question)), file=answers, flush=True)
        else:
            return 0
    os.environ.update(question["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())  # nobody would answer the stage
    return int(obey(["repro", "--single-item", "--force", question["run"]]))


def _key(repo: Any, stage: str, inputs: Mapping[str, str], known: dict[str, Any] | None) -> dict[str, Any]:
    """The fields of :class:`Key`. As dvc.stage.cache does, but inputs need not be there."""
    from dvc.exceptions import DvcException
    from dvc.stage.cache import _get_cache_hash
    from dvc.stage.serialize import to_single_stage_lockfile
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.meta import Meta
    try:
        found = repo.stage.load_one(name=stage)
        for dep in found.deps:
            if dep.def_path in inputs:
                dep.hash_info, dep.meta = HashInfo(dep.hash_name, inputs[dep.def_path]), Meta()  # dvc.lock filled both
            else:
                dep.save()
        if found.always_changed or found.is_callback:
            return {"value": "", "known_fits": False}
        value = _get_cache_hash(to_single_stage_lockfile(found), key=True)
    except DvcException:
        return {"value": "", "known_fits": False}
    return {"value": value, "known_fits": known is not None and _get_cache_hash(known, key=True) == value}


def _trust(repo: Any, inputs: Mapping[str, str]) -> None:
    """Tell DVC the hashes of files that were verified on their way, so that it does not read them once more."""
    from dvc_data.hashfile.hash_info import HashInfo
    repo.state.save_many([(str(Path(path).absolute()), HashInfo("md5", md5), None) for path, md5 in inputs.items()],
                         repo.fs)


@contextmanager
def _replaced(path: str, fs: object = None) -> Iterator[dict[str, Any]]:
    """Stands for `modify_yaml`, by which DVC changes its lock file: yields the content, and keeps what became of it."""
    content: dict[str, Any] = {"stages": stages} if (stages := dvc_lock.entries(Path(path))) else {}
    yield content
    dvc_lock.write(Path(path), json.loads(json.dumps(content["stages"])))  # ordered dictionaries become plain ones


if __name__ == "__main__":
    sys.exit(main())
