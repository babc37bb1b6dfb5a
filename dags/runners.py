"""How one command of a run is executed: here as a process; Docker and Kubernetes enter behind the same protocol."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dags.runs import exclusive

POLL_S = 0.1
GRACE_S = 10.0
"""Between TERM and KILL."""
TAIL_LINES = 20
_STAGE_EXIT = re.compile(r"exited with (-?\d+)\s*$")
"""DVC's own exit status is always 255; the stage's stands at the end of its message."""
_SECRETS = ("AIRFLOW", "MLFLOW_")
"""Stages need no word of the scheduler's or the registry's settings, so they do not get any."""


@dataclass(frozen=True)
class Job:
    """One command, an argument list that never passes through a shell."""

    name: str
    argv: tuple[str, ...]
    directory: Path
    log: Path
    """Gets the whole output; also what survives when the task that follows it is killed."""
    environment: Mapping[str, str] = field(default_factory=dict)
    trusted: bool = False
    """Effects reach the registry and get its settings; stages do not."""


class JobError(Exception):
    """A job ended with something else than success; reads as the last lines of its output."""

    def __init__(self, job: Job, exit_code: int, tail: list[str]) -> None:
        self.job = job
        self.exit_code = exit_code
        self.tail = tail
        super().__init__("\n".join([f"{job.name} exited with {exit_code}; all of its output: {job.log}", *tail]))

    @property
    def transient(self) -> bool:
        """Exit code 75, or a signal from outside (out of memory, a rebooting machine): the same may succeed later."""
        return self.exit_code == 75 or self.exit_code < 0 or self.exit_code in (128 + signal.SIGKILL,
                                                                              128 + signal.SIGTERM)


class Runner(Protocol):
    """Executes jobs; one runner per task."""

    def run(self, job: Job, show: Callable[[str], None]) -> None:
        """Run ``job`` to its end and pass each line of its output to ``show``.

        Raises:
            JobError: the job ended with another exit status than 0.
        """

    def stop(self) -> None:
        """End the job that is running, and everything it started; called from another thread or a signal handler."""


class ProcessRunner:
    """A process in its own session, in this machine's environment."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, job: Job, show: Callable[[str], None]) -> None:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        lock = job.directory / ".dvc" / "tmp" / f"{job.name}.lock"
        with exclusive(lock, wait=True) as held, job.log.open("ab") as log:
            beginning = log.tell()
            self._process = subprocess.Popen(  # noqa: S603
                job.argv, cwd=job.directory, env=_environment(job), stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True, pass_fds=(held,))
            try:
                exit_code = _follow(self._process, job.log, beginning, show)
            finally:
                self.stop()
        if exit_code:
            raise _failure(job, exit_code, beginning)

    def stop(self) -> None:
        if self._process is not None:
            end_group(self._process)


RUNNERS: dict[str, Callable[[], Runner]] = {"process": ProcessRunner}


def end_group(process: subprocess.Popen[bytes], grace_s: float = GRACE_S) -> None:
    """TERM to the process group that ``process`` leads, KILL to what is left of it after ``grace_s``."""
    deadline = time.monotonic() + grace_s
    kind = signal.SIGTERM
    while _signal_group(process.pid, kind):
        process.poll()  # a zombie would count as alive
        if time.monotonic() > deadline:
            kind = signal.SIGKILL
        time.sleep(POLL_S)


def _signal_group(group: int, kind: signal.Signals) -> bool:
    try:
        os.killpg(group, kind)
    except ProcessLookupError:
        return False
    return True


def _follow(process: subprocess.Popen[bytes], log: Path, position: int, show: Callable[[str], None]) -> int:
    """Show the log as it grows, until the process ends; a file, so that it may outlive whoever follows."""
    with log.open("rb") as output:
        output.seek(position)
        rest = b""
        while True:
            exit_code = process.poll()
            *lines, rest = (rest + output.read()).split(b"\n")
            for line in lines:
                show(_text(line))
            if exit_code is not None:
                if rest:
                    show(_text(rest))
                return exit_code
            time.sleep(POLL_S)


def _failure(job: Job, exit_code: int, beginning: int) -> JobError:
    with job.log.open("rb") as output:
        output.seek(beginning)
        lines = [_text(line) for line in output.read().split(b"\n") if line.strip()]
    for line in reversed(lines):
        if found := _STAGE_EXIT.search(line):
            exit_code = int(found[1])
            break
    # what DVC adds says less than the stage's own words, which belong at the very end
    own = [line for line in lines if not line.startswith("ERROR: failed to reproduce")]
    return JobError(job, exit_code, own[-TAIL_LINES:])


def _environment(job: Job) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if job.trusted or not name.startswith(_SECRETS)}
    commands = f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', os.defpath)}"
    return {**inherited, "PATH": commands, "PYTHONPATH": str(job.directory), "PYTHONUNBUFFERED": "1", **job.environment}


def _text(line: bytes) -> str:
    return line.rstrip(b"\r").decode("utf-8", errors="replace")
