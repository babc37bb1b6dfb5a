"""Following a pod: its words, what is told about it, and how long is put up with what may pass."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from dags.runners import pods
from dags.runners.cluster import Cluster, seconds_since
from dags.runners.job import Job
from dags.runners.pod_state import CUT_OFF, State
from evenvoice.errors import EvenvoiceError, TransientError

T = TypeVar("T")
POLL_S: Final = 1.0
IMAGE_S: Final = 300.0
"""A registry may be away for a moment; an image that does not come for so long is not there."""
TOLD_S: Final = 5.0
"""What a pod waits for no longer is not worth a word."""
NODE_S: Final = 30.0
"""A node that is silent for so long, after the cluster has noticed, is taken for lost."""
CUT_OFF_S: Final = 30.0
"""Within so long the cluster knows what became of a machine that another one has lost."""
LEAVING_S: Final = pods.GRACE_S + 30.0
"""A pod that was asked to end and is there after so long is on a node that does not do what it is told."""
SERVER_S: Final = 600.0
"""How long the API server or the object store may be away, as when it is restarted."""
_LAST_WORDS_S: Final = 30.0
"""For the rest of a log, once the pod has ended."""


class Output:
    """What a pod says: into the log and to whoever follows; events of progress to whoever watches the run."""

    def __init__(self, job: Job, show: Callable[[str], None]) -> None:
        self.lines: list[str] = []
        self._job = job
        self._show = show
        self._last_remark = ""
        job.log.parent.mkdir(parents=True, exist_ok=True)

    def add(self, line: str) -> None:
        """Take in one line of the pod's."""
        if line.startswith('{"at": ') and self._emitted(line):
            return
        self.lines.append(line)
        with self._job.log.open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        self._show(line)

    def remark(self, text: str) -> None:
        """Say once, beside what the pod says, what is the matter with it; the run's progress tells it too."""
        if text != self._last_remark:
            self._last_remark = text
            self.add(text)
            self._emit(json.dumps({"at": time.time(), "stage": self._job.name, "why": text}))

    def _emitted(self, line: str) -> bool:
        try:
            json.loads(line)
        except ValueError:
            return False
        self._emit(line)
        return True

    def _emit(self, line: str) -> None:
        with self._job.run.progress.open("a", encoding="utf-8") as sink:
            sink.write(line + "\n")


class PodLog:
    """The log of one pod, read by a thread: that hangs where a node is silent, and the pod is looked at meanwhile."""

    def __init__(self, cluster: Cluster, pod: str) -> None:
        self.pod = pod
        self._cluster = cluster
        self._said: SimpleQueue[str | EvenvoiceError] = SimpleQueue()
        self._last_stamp = ""
        self._last_at: float | None = None
        self._broken = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"log of {pod}", daemon=True)
        self._thread.start()

    def pass_on(self, output: Output) -> None:
        """Give ``output`` what came since the last time."""
        while True:
            try:
                said = self._said.get_nowait()
            except Empty:
                return
            if isinstance(said, EvenvoiceError):  # the stage itself goes on, and its fragment says how it ended
                output.remark(str(said))
            else:
                output.add(said)

    def wait(self, seconds: float) -> None:
        """Wait until the connection ends, as it does with the pod, at most for so long."""
        self._broken.wait(seconds)
        self._broken.clear()

    def finish(self, output: Output) -> None:
        """Give ``output`` the rest, now that the pod has ended."""
        self._over.set()
        self._thread.join(_LAST_WORDS_S)
        self.pass_on(output)

    def _read(self) -> None:
        last_time = failing = False
        while not last_time:
            last_time = self._over.is_set()
            try:
                self._read_until_it_breaks()
                failing = False
            except EvenvoiceError as error:
                if not failing:
                    self._said.put(error)
                failing = True
            self._broken.set()
            self._over.wait(POLL_S)

    def _read_until_it_breaks(self) -> None:
        """From where the last time ended."""
        since = seconds_since(self._last_at) if self._last_at is not None else None
        for stamp, line in self._cluster.follow(self.pod, pods.CONTAINER, since):
            if stamp > self._last_stamp:
                self._last_stamp, self._last_at = stamp, time.monotonic()
                self._said.put(line)


class Patience:
    """For how long each thing that may pass by itself has lasted; says so, and when it has been too long."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._since: dict[str, float] = {}
        self._silent_node = ""
        self._waited = False

    def given_up(self, state: State) -> State | None:
        """What ``state`` is taken for, once it has lasted too long."""
        self._tell_of_node(state)
        self._tell_of_waiting(state)
        if self._lasted("image", state.without_image) > IMAGE_S:
            return state
        if self._lasted("node", state.away) > NODE_S:
            return replace(state, phase="Gone", reason="NodeLost", message="")
        if self._lasted("cut off", state.reason == CUT_OFF) > CUT_OFF_S:
            return replace(state, phase="Gone")
        if self._lasted("leaving", state.leaving and not state.over) > LEAVING_S:
            return replace(state, phase="Gone")
        return None

    def _lasted(self, what: str, lasts: bool) -> float:
        if not lasts:
            self._since.pop(what, None)
            return 0.0
        return time.monotonic() - self._since.setdefault(what, time.monotonic())

    def _tell_of_waiting(self, state: State) -> None:
        if self._lasted("waiting", state.phase == "Pending" and bool(state.said)) > TOLD_S:
            self._output.remark(f"the pod waits: {state.said}")
            self._waited = True
        elif self._waited and state.phase == "Running":
            self._output.remark(f"pod {state.pod} runs on node {state.node}")
            self._waited = False

    def _tell_of_node(self, state: State) -> None:
        if state.away and state.node != self._silent_node:
            self._silent_node = state.node
            self._output.remark(f"node {state.node} does not report any more: if it stays silent for {NODE_S:g} s, pod "
                                f"{state.pod} is given up and the stage goes on elsewhere")
        elif self._silent_node and not state.away:
            self._output.remark(f"node {self._silent_node} reports again")
            self._silent_node = ""


def insist(call: Callable[[], T], say: Callable[[str], None], stopped: Callable[[], bool]) -> T:
    """Ask again while a server is away, and say so once; what runs on the cluster goes on meanwhile.

    Raises:
        TransientError: it stays away for longer than SERVER_S, or nobody wants the answer any more.
    """
    began: float | None = None
    while True:
        try:
            answer = call()
        except TransientError as error:
            if began is None:
                began = time.monotonic()
                say(f"{error.name} does not answer, and is asked again for {SERVER_S / 60:g} minutes; what runs goes "
                    f"on: {error.value}")
            if stopped() or time.monotonic() - began > SERVER_S:
                raise
            time.sleep(POLL_S)
        else:
            if began is not None:
                say(f"it answers again, after {time.monotonic() - began:.0f} s")
            return answer
