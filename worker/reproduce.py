"""`dvc repro` of one stage: at most once at a time, within its time, ended when asked, with the stage's own status."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Final

from evenvoice.locks import exclusive
from worker import dvc_door
from worker.stale_locks import forget_the_killed

GRACE_S: Final = 8.0
"""Between TERM and KILL; shorter than what runners wait before they kill the worker itself."""
OUT_OF_TIME: Final = 124
WATCH_S: Final = 1.0
_STAGE_EXIT: Final = re.compile(r"exited with (-?\d+)\s*$")
"""DVC's own exit status is always 255; the stage's stands at the end of its message."""


def reproduce(stage: str, *, force: bool, limit_s: float) -> int:
    """Bring ``stage`` up to date and return its exit status.

    Whoever comes while another worker has the stage waits for the kernel's lock, and then finds nothing left to do.
    """
    with exclusive(Path(".dvc/tmp") / f"{stage}.lock", wait=True) as held:
        forget_the_killed(stage)
        forced = ("--force",) if force else ()
        argv = dvc_door.command("--wait-for-lock", "repro", "--single-item", *forced, stage)
        # a group of its own, so that what the stage started ends with it; the lock's descriptor goes along, so that
        # nobody starts beside a stage whose worker was killed
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,  # noqa: S603
                                   stderr=subprocess.STDOUT, start_new_session=True, pass_fds=(held,))
        return Attempt(stage, process, limit_s).finish()


class Attempt:
    """One process and all that it starts, watched to its end."""

    def __init__(self, stage: str, process: subprocess.Popen[bytes], limit_s: float) -> None:
        self.stage = stage
        self.process = process
        self.limit_s = limit_s
        self.stage_exit: int | None = None
        self.forced_exit: int | None = None
        """What to say when it was not the stage that decided to end."""

    def finish(self) -> int:
        """Pass the output on, enforce the limit, and return the exit status."""
        for kind in (signal.SIGTERM, signal.SIGINT):
            signal.signal(kind, self._asked_to_end)
        limit = threading.Timer(self.limit_s, self._out_of_time)
        limit.daemon = True
        limit.start()
        threading.Thread(target=self._end_leftovers, daemon=True).start()
        threading.Thread(target=self._end_with, args=(os.getppid(),), daemon=True).start()
        try:
            self._pass_output_on()
            status = self.process.wait()
        except BaseException:  # nobody wants its result any more
            self._signal(signal.SIGKILL)
            raise
        finally:
            limit.cancel()
        if self.forced_exit is not None:
            return self.forced_exit
        return _as_exit_status(self.stage_exit if status and self.stage_exit is not None else status)

    def _pass_output_on(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            if found := _STAGE_EXIT.search(line.decode("utf-8", errors="replace")):
                self.stage_exit = int(found[1])

    def _end_leftovers(self) -> None:
        """A child that outlives DVC would keep the output open, and this process waiting."""
        self.process.wait()
        self._signal(signal.SIGKILL)

    def _end_with(self, starter: int) -> None:
        """A task of Airflow that was killed cannot say so; nobody would wait for this stage any more."""
        while os.getppid() == starter:
            time.sleep(WATCH_S)
        print(f"{self.stage} ends, since the process that asked for it is gone", file=sys.stderr, flush=True)
        self._end(128 + signal.SIGHUP)

    def _asked_to_end(self, kind: int, _frame: FrameType | None) -> None:
        self._end(128 + kind)

    def _out_of_time(self) -> None:
        print(f"{self.stage} must end within {self.limit_s / 60:g} minutes. Raise the minutes of its size in "
              "params.yaml, section resources.", file=sys.stderr, flush=True)
        self._end(OUT_OF_TIME)

    def _end(self, status: int) -> None:
        self.forced_exit = self.forced_exit or status
        self._signal(signal.SIGTERM)
        killer = threading.Timer(GRACE_S, self._signal, (signal.SIGKILL,))
        killer.daemon = True
        killer.start()

    def _signal(self, kind: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, kind)
        except ProcessLookupError:
            return


def _as_exit_status(code: int) -> int:
    """A process that a signal ended has a negative code; shells and container engines say 128 more than the signal."""
    return 128 - code if code < 0 else code
