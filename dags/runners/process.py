"""Stages and effects as processes on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dags.runners.job import Job, JobError
from dags.runners.output import Output
from dags.runs import Run
from evenvoice.made_with import MadeWith

POLL_S = 0.1
GRACE_S = 10.0
"""Between TERM and KILL."""
_SECRETS = ("AIRFLOW", "MLFLOW_")
"""Stages need no word of the scheduler's or the registry's settings, so they do not get any."""


class ProcessRunner:
    """A process in its own session, in this machine's environment."""

    shares_disk = True

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self, run: Run) -> dict[str, Any]:
        return {"runner": "process", "made_with": MadeWith.here().to_json()}

    def run(self, job: Job, show: Callable[[str], None]) -> None:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("ab") as log:
            output = Output(job.log, log.tell(), show)
            self._process = subprocess.Popen(  # noqa: S603
                (sys.executable, *job.arguments), cwd=job.directory, env=_environment(job), stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
            try:
                exit_code = _follow(self._process, output)
            finally:
                self.stop()
        if exit_code:
            raise JobError(job, exit_code, output.lines)

    def stop(self) -> None:
        if self._process is not None:
            end_group(self._process)

    def collect(self, run: Run) -> None:
        """Nothing to bring: results are written to the workspace itself."""

    def abandon(self, run: Run) -> None:
        """Nothing is left: a process ends with whoever follows it."""


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


def _follow(process: subprocess.Popen[bytes], output: Output) -> int:
    while True:
        exit_code = process.poll()
        output.pass_on()
        if exit_code is not None:
            output.finish()
            return exit_code
        time.sleep(POLL_S)


def _environment(job: Job) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if job.trusted or not name.startswith(_SECRETS)}
    commands = f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', os.defpath)}"
    return {**inherited, "PATH": commands, "PYTHONPATH": str(job.directory), "PYTHONUNBUFFERED": "1", **job.environment}
