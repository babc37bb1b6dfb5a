"""What is run, what can go wrong with it, and what every runner promises."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dags.runs import Run
from evenvoice.params import Size

TAIL_LINES = 20
RETRY_LATER = 75
OUT_OF_TIME = 124
"""As worker/ and `timeout` of coreutils say it."""


@dataclass(frozen=True)
class Job:
    """One Python command, an argument list that never passes through a shell."""

    name: str
    arguments: tuple[str, ...]
    """Of the interpreter; each runner brings its own."""
    run: Run
    directory: Path
    """Where it works: the workspace of its run, or for effects on the registry alone the folder of the run."""
    environment: Mapping[str, str] = field(default_factory=dict)
    size: Size | None = None
    """What a stage may use; None for effects, which are small."""
    size_name: str = ""
    """As params.yaml calls it, for messages that say what to raise."""
    trusted: bool = False
    """Effects reach the registry and get its settings; stages do not."""

    @property
    def log(self) -> Path:
        """Gets the whole output; also what survives when the task that follows it is killed."""
        return self.run.log(self.name)


class JobError(Exception):
    """A job ended with something else than success; reads as the last lines of its output."""

    def __init__(self, job: Job, exit_code: int, output: list[str]) -> None:
        self.job = job
        self.exit_code = exit_code
        # what DVC adds says less than the stage's own words, which belong at the very end
        own = [line for line in output if line.strip() and not line.startswith("ERROR: failed to reproduce")]
        self.tail = own[-TAIL_LINES:]
        super().__init__("\n".join([f"{job.name} exited with {exit_code}; all of its output: {job.log}", *self.tail]))

    @property
    def transient(self) -> bool:
        """Exit code 75, or a signal from outside (out of memory, a rebooting machine): the same may succeed later."""
        return self.exit_code < 0 or self.exit_code in (RETRY_LATER, 128 + signal.SIGKILL, 128 + signal.SIGTERM)


class Runner(Protocol):
    """Executes the stages of one run; one runner per task."""

    shares_disk: bool
    """Whether results are in the workspace when a stage is done; otherwise only their hashes are, in its dvc.lock."""

    def prepare(self, run: Run) -> dict[str, Any]:
        """Check, once per run and before any stage, that stages can be executed; returns what the record should say.

        Raises:
            PreflightError: something that every stage needs is missing here.
        """

    def run(self, job: Job, show: Callable[[str], None]) -> None:
        """Run ``job`` to its end and pass each line of its output to ``show``.

        A job that an earlier try of the same task left behind is taken over or waited for, never started twice.

        Raises:
            JobError: the job ended with another exit status than 0.
        """

    def stop(self) -> None:
        """End the job that is running, and everything it started; called from another thread or a signal handler."""

    def collect(self, run: Run) -> None:
        """Bring to the workspace what effects read; called when all stages are done.

        Raises:
            TransientError: results do not arrive, or are not what was computed.
        """

    def abandon(self, run: Run) -> None:
        """End and remove whatever is left of a run that nobody follows any more."""
