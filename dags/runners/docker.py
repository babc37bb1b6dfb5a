"""Stages in containers of the Docker engine on this machine.

A container belongs to its job, not to the task that follows it. Its name follows from the run and the job, it writes
into the job's own log, and it goes on when the task is killed or the engine's connection breaks: whoever comes next
takes it over, reads the log from where the container began, and removes it once its result is known.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from dags.runners import container
from dags.runners.engine import Engine, EngineAway, Gone, Handle, State, absent, address, connected
from dags.runners.gpus import gpus_here, pools_needed
from dags.runners.job import Job, JobError
from dags.runners.leftovers import foreground_works, remove_leftovers
from dags.runners.output import Output
from dags.runners.ownership import give
from dags.runs import Run
from evenvoice.code_digest import tree_digest
from evenvoice.errors import EvenvoiceError, ParamsError, PreflightError, TransientError, WorkspaceError
from evenvoice.locks import exclusive
from evenvoice.params import load_params
from evenvoice.storage import read_json

T = TypeVar("T")
IMAGE: Final = "EVENVOICE_STAGE_IMAGE"
DEFAULT_IMAGE: Final = "evenvoice/stage:local"
CODE_LABEL: Final = "io.evenvoice.code"
POLL_S: Final = 0.2
PATIENCE_S: Final = 120.0
"""How long an engine may be away, as when it is restarted, before the task leaves the rest to its retry."""
_RETRY_LATER, _ASKED_TO_END = 75, 143
_DISK_FULL: Final = "No space left on device"


class DockerRunner:
    """A container for each stage, durable and confined."""

    shares_disk = True

    def __init__(self) -> None:
        self._stopping = False
        self._following: str | None = None
        self._engine_was_away = False

    def prepare(self, run: Run) -> dict[str, Any]:
        pools_needed(load_params(run.workspace / "params.yaml").resources)
        name = os.environ.get(IMAGE) or DEFAULT_IMAGE
        try:
            with connected() as engine:
                remove_leftovers(engine, run.root, lambda other: not other.alive.exists() or foreground_works(other))
                image = engine.image(name)
                _demand_same_code(run, name, image.labels.get(CODE_LABEL, "none"))
                made_with = _look_inside(engine, run, str(image.id))
        except EngineAway as reason:
            raise absent(reason) from reason
        return {"runner": "docker", "image": name, "image_digest": str(image.id), "made_with": made_with}

    def run(self, job: Job, show: Callable[[str], None]) -> None:
        with self._alone(job), contextlib.ExitStack() as opened:
            engine = self._insist(lambda: opened.enter_context(connected()))
            handle = self._insist(lambda: self._obtain(engine, job))
            output = Output(job.log, int(handle.labels[container.LOG_BEGINS]), show)
            try:
                state = self._follow(engine, handle, output)
            except TransientError:
                raise  # the container stays, for the retry to take it over
            except BaseException:
                engine.end(handle)
                raise
            if state.exit_code:
                for line in self._insist(lambda: engine.said(handle)).splitlines():
                    output.add(line)
            self._insist(lambda: engine.remove(handle))
        self._judge(job, state, output.lines)

    def stop(self) -> None:
        self._stopping = True
        if self._following is not None:
            with contextlib.suppress(EngineAway), connected() as engine:
                if found := engine.find(self._following):
                    engine.end(found)

    def collect(self, run: Run) -> None:
        """Nothing to bring: results are written to the workspace itself."""

    def abandon(self, run: Run) -> None:
        # what an engine that is away keeps, the next run or the DAG reap_containers removes
        with contextlib.suppress(EngineAway, PreflightError), connected() as engine:
            for found in engine.labelled(container.labels_of(run)):
                engine.end(found)

    @contextlib.contextmanager
    def _alone(self, job: Job) -> Iterator[None]:
        """One follower per job: a second one waits here, and then finds nothing left to do."""
        lock = job.run.directory / "followers" / f"{job.name}.lock"
        with contextlib.ExitStack() as held:
            while True:
                try:
                    held.enter_context(exclusive(lock, wait=False))
                    break
                except WorkspaceError:
                    if self._stopping:
                        raise JobError(job, _ASKED_TO_END, ["asked to end"]) from None
                    time.sleep(POLL_S)
            yield

    def _obtain(self, engine: Engine, job: Job) -> Handle:
        """The job's container: one that an earlier try left behind in whatever state, or a new one."""
        name = container.name_of(job)
        self._following = name
        found = engine.find(name)
        if found is None:
            found = self._create(engine, job)
        if found.status == "created":
            try:
                engine.start(found)
            except EvenvoiceError:
                engine.remove(found)
                raise
        return found

    def _create(self, engine: Engine, job: Job) -> Handle:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        job.log.touch()
        job.run.progress.touch()
        described = read_json(job.run.description)
        user = give(job.run)
        with _reserved(engine, job) as gpus:
            return engine.create(container.options(job, image=described["image_digest"], commit=described["commit"],
                                                   user=user, gpus=gpus))

    def _follow(self, engine: Engine, handle: Handle, output: Output) -> State:
        """Show the log as it grows until the container is over."""
        while True:
            try:
                state = self._insist(lambda: engine.state(handle), meanwhile=output.pass_on)
            except Gone:
                state = State("dead", _RETRY_LATER, out_of_memory=False)
            if self._stopping and not state.over:
                engine.end(handle)
                continue
            output.pass_on()
            if state.over:
                output.finish()
                return state
            time.sleep(POLL_S)

    def _insist(self, call: Callable[[], T], meanwhile: Callable[[], None] = lambda: None) -> T:
        """The answer to ``call``, asked again while the engine is away: containers may well go on without it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return call()
            except EngineAway as reason:
                self._engine_was_away = True
                if time.monotonic() > deadline or self._stopping:
                    raise TransientError(
                        name=address(), rule=f"answer within {PATIENCE_S:g} s", value=str(reason),
                        action="The task is tried again and takes over what still runs.") from reason
                meanwhile()
                time.sleep(1)

    def _judge(self, job: Job, state: State, lines: list[str]) -> None:
        """Turn how the container ended into how the job ended."""
        code = state.exit_code
        if self._stopping:
            raise JobError(job, _ASKED_TO_END, [*lines, "asked to end"])
        if not code:
            return
        reason: EvenvoiceError | None = None
        if state.out_of_memory:
            reason = ParamsError(name=f"resources.{job.size_name}.memory_gb", rule=f"be enough for {job.name}",
                                 value=f"{job.size.memory_gb if job.size else 0:g}, at which the kernel ended it",
                                 action="Raise it in params.yaml, or give the stage less to hold at once.")
        elif any(_DISK_FULL in line for line in lines):
            free = shutil.disk_usage(job.run.state).free
            reason = WorkspaceError(name=str(job.run.state), rule=f"have room for what {job.name} writes",
                                    value=f"{free / 1e6:.0f} MB free", action="Free some space and run again.")
        elif self._engine_was_away or code == _ASKED_TO_END:
            # an engine that goes down ends its containers first, and may still answer while it does
            reason = TransientError(name=address(), rule=f"keep running while {job.name} does",
                                    value="a restart, or somebody's `docker stop`", action="The stage is tried again.")
        if reason is not None:
            raise JobError(job, reason.exit_code, [*lines, f"{type(reason).__name__}: {reason}"])
        raise JobError(job, code, lines)


def _demand_same_code(run: Run, name: str, found: str) -> None:
    wanted = tree_digest(run.workspace)
    if found != wanted:
        raise PreflightError(name=f"the image {name}", rule=f"hold the code of this run ({CODE_LABEL} {wanted[:12]})",
                             value=found[:12], action="Run `make images`.")


def _look_inside(engine: Engine, run: Run, image: str) -> dict[str, Any]:
    """See that a container of this image and uid reads and writes where the stages will; returns what is installed."""
    uid, gid = give(run)
    token = run.directory / "seen-by-the-engine"
    token.write_text(secrets.token_hex(8), encoding="utf-8")
    check = ("from pathlib import Path; import json, sys; token = Path(sys.argv[1]); print(token.read_text()); "
             "draft = token.with_name('writable'); draft.touch(); draft.unlink(); "
             "from evenvoice.made_with import MadeWith; print(json.dumps(MadeWith.here().to_json()))")
    handle = engine.create({
        "name": f"evenvoice-preflight-{secrets.token_hex(6)}", "image": image, "user": f"{uid}:{gid}",
        "labels": container.labels_of(run), "command": ["python", "-c", check, str(token)],
        "mounts": [container.bind(run.state)], "network": "none", "mem_limit": "512m", **container.CONFINED})
    try:
        engine.start(handle)
        while not engine.state(handle).over:
            time.sleep(POLL_S / 4)
        said = engine.said(handle).decode("utf-8", errors="replace").strip()
    finally:
        engine.remove(handle)
        known = token.read_text(encoding="utf-8")
        token.unlink()
    seen, _, made_with = said.partition("\n")
    if seen != known or not made_with.startswith("{"):
        raise PreflightError(
            name=str(run.state), rule=f"be the same place for {address()}, writable for uid {uid}", value=said[-300:],
            action="Checkout and engine must share this path; `ls -ln` shows who owns it.")
    content: dict[str, Any] = json.loads(made_with)
    return content


@contextlib.contextmanager
def _reserved(engine: Engine, job: Job) -> Iterator[list[str]]:
    """GPUs that no other container has; a container itself is the reservation, so it is made under the lock."""
    wanted = job.size.gpus if job.size else 0
    if not wanted:
        yield []
        return
    with exclusive(job.run.state / "gpus.lock", wait=True):
        taken = {number for other in engine.labelled({container.GPUS: ""})
                 for number in other.labels[container.GPUS].split(",")}
        free = [str(number) for number in range(gpus_here()) if str(number) not in taken]
        if len(free) < wanted:
            raise TransientError(name=f"GPUs for {job.name}", rule=f"be {wanted}", value=f"{len(free)} that are free",
                                 action="Airflow's pool should keep stages waiting: give it as many slots as GPUs.")
        yield free[:wanted]
