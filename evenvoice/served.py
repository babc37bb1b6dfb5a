"""A recogniser in a process of its own, so that one that hangs or crashes takes nothing with it but its answer.

Calls are answered one at a time, each within a limit. A thread could not be ended at the limit; a process can, with all
that it started. What the recogniser prints is kept apart from what this process prints, and quoted when it fails.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Protocol, Self

from evenvoice.errors import EvenvoiceError, TrackingError

Feed = Literal["bytes", "paths", "arrays"]
"""bytes: of a WAV file. paths: of a file. arrays: mono samples in [-1, 1], float32, shape (T,)."""
FEEDS: Final[tuple[Feed, ...]] = ("bytes", "paths", "arrays")
QUOTED_LINES: Final = 3
QUOTED_CHARACTERS: Final = 200
ENDS_WITHIN_S: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a recogniser is, told without loading it.

    Attributes:
        uri: of this one version, whatever alias led to it.
        name: what judgements call it.
        identity: another one whenever its files are others.
        rate: of the samples that it takes, in Hz; None where it does not say.
    """

    uri: str
    name: str
    identity: str
    feed: Feed
    rate: int | None


class Transcriber(Protocol):
    """What the process holds."""

    def describe(self) -> Described:
        """Tell what it is, without loading it."""
        ...

    def load(self) -> None:
        """Get ready."""
        ...

    def hear(self, recordings: list[Any]) -> list[str]:
        """Write down recordings, which come as its ``feed`` says."""
        ...


class OverdueError(Exception):
    """No answer came within the limit; the process was ended."""


class Served:
    """A recogniser in a process, from the first call until the block ends.

    Args:
        open_model: makes it in that process; picklable.
        name: what errors call it.
    """

    def __init__(self, open_model: Callable[[], Transcriber], *, name: str) -> None:
        self._open_model, self._name = open_model, name

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")  # a fork would inherit the threads' locks of numpy and Arrow
        self._connection, theirs = context.Pipe()
        descriptor, said = tempfile.mkstemp(prefix="evenvoice-served-")
        os.close(descriptor)
        self._said = Path(said)
        # not a daemon: those may not start workers of their own
        self._process = context.Process(target=_serve, args=(theirs, self._open_model, said))
        self._process.start()
        theirs.close()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._end()
        self._connection.close()
        self._said.unlink(missing_ok=True)

    def call(self, method: str, *arguments: Any, limit_s: float | None, doing: str, action: str) -> Any:
        """Let it do something.

        Args:
            method: of :class:`Transcriber`.
            limit_s: None to wait for ever.
            doing: what it must do, for errors.
            action: what a person can do when it does not.

        Raises:
            OverdueError: it took longer.
            TrackingError: it raised an error, or its process ended.
            EvenvoiceError: what it refused by itself.
        """
        try:
            self._connection.send((method, arguments))
            if not self._connection.poll(limit_s):
                self._end()
                raise OverdueError
            kind, answer = self._connection.recv()
        except (EOFError, ConnectionError):
            self._end()
            raise self._failure(doing, _ending(self._process.exitcode), action) from None
        if kind == "refused":
            raise answer
        if kind == "failed":
            raise self._failure(doing, answer, action)
        return answer

    def _failure(self, doing: str, what: str, action: str) -> TrackingError:
        lines = [line.strip() for line in self._said.read_text(encoding="utf-8", errors="replace").splitlines()]
        last = " / ".join(line[:QUOTED_CHARACTERS] for line in [line for line in lines if line][-QUOTED_LINES:])
        return TrackingError(name=self._name, rule=doing, value=what + (f" (it said last: {last})" if last else ""),
                             action=action)

    def _end(self) -> None:
        """End it and all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            if self._process.pid is not None and os.getpgid(self._process.pid) == self._process.pid:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.join(0)
        if self._process.exitcode is None:
            self._process.kill()
        self._process.join(ENDS_WITHIN_S)


def _ending(status: int | None) -> str:
    if status is not None and status < 0:
        return f"a process that was ended by {signal.Signals(-status).name}"
    return f"a process that ended with status {status}"


def _serve(connection: Connection, open_model: Callable[[], Transcriber], said: str) -> None:
    """Answer calls until nobody can ask any more."""
    os.setsid()  # Ctrl-C is for whoever asks, and all of this group can be ended at once
    _redirect(said)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    model: Transcriber | None = None
    with suppress(EOFError, ConnectionError):
        while True:
            method, arguments = connection.recv()
            try:
                model = model or open_model()
                answer: tuple[str, Any] = ("done", getattr(model, method)(*arguments))
            except EvenvoiceError as error:
                answer = ("refused", error)
            except Exception as error:
                answer = ("failed", "".join(traceback.format_exception_only(error)).strip())
            connection.send(answer)


def _redirect(said: str) -> None:
    """Whatever is printed, by C code as well, goes to a file."""
    descriptor = os.open(said, os.O_WRONLY | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for target in (1, 2):
        os.dup2(descriptor, target)
    os.close(descriptor)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.killpg(0, signal.SIGKILL)
