"""Airflow tasks around the runners: a stage of dvc.yaml, and an effect after the graph."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from dags import provenance
from dags.plan import read_plan
from dags.runners import RUNNERS
from dags.runners.job import Job, JobError, Runner
from dags.runners.process import ProcessRunner
from dags.runs import ROOT, Run
from dags.workspace import publish_lock
from evenvoice import dvc_lock
from evenvoice.errors import EvenvoiceError, TransientError
from evenvoice.params import Size, load_params
from evenvoice.storage import read_json, write_json

if TYPE_CHECKING:
    from airflow.sdk import Context

RETRIES: Final[dict[str, Any]] = {"retries": 2, "retry_delay": timedelta(seconds=20)}
"""Only for what may succeed later; a person's mistake or a defect fails at once."""
_SKIPPED = ("didn't change, skipping", "is cached - skipping run")


def run_of(context: Mapping[str, Any]) -> Run:
    """The run that a task belongs to; `make run` names it, otherwise Airflow's run id does."""
    return Run(root=ROOT, run_id=os.environ.get("EVENVOICE_RUN") or str(context["run_id"]))


def runner_of(context: Mapping[str, Any]) -> Runner:
    """The runner that the run asked for."""
    return RUNNERS[str(context["params"]["runner"])]()


@dataclass
class Ending:
    """How a task that did not fail will be reported."""

    state: str = "done"
    age: list[str] = field(default_factory=list)
    """How the result of a stage that was used again differs from one made now."""


@contextmanager
def reported(run: Run, name: str) -> Iterator[Ending]:
    """Tell watchers how a task ended, and Airflow whether trying again can help.

    The stage's own words become the exception's, so that they are the last lines of the task log.
    """
    started = time.monotonic()
    run.emit(name, "started")
    ending = Ending()
    try:
        yield ending
    except JobError as error:
        run.emit(name, "failed", error="\n".join(error.tail), log=str(error.job.log), transient=error.transient)
        raise (AirflowException if error.transient else AirflowFailException)(str(error)) from None
    except EvenvoiceError as error:
        transient = isinstance(error, TransientError)
        text = f"{type(error).__name__}: {error}"
        run.emit(name, "failed", error=text, transient=transient)
        raise (AirflowException if transient else AirflowFailException)(text) from None
    run.emit(name, ending.state, seconds=time.monotonic() - started, **({"age": ending.age} if ending.age else {}))


class JobOperator(BaseOperator):
    """Runs one job in the workspace of its run."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**RETRIES, **options})
        self._runner: Runner | None = None

    def work(self, job: Job, runner: Runner) -> list[str]:
        """Run ``job`` and return its output."""
        self._runner = runner
        output: list[str] = []

        def show(line: str) -> None:
            output.append(line)
            self.log.info("%s", line)

        runner.run(job, show)
        return output

    def on_kill(self) -> None:
        if self._runner is not None:
            self._runner.stop()


class StageOperator(JobOperator):
    """A stage: passed over where the plan says nothing behind it changed, otherwise left to `dvc repro`.

    To Airflow it is skipped where the run's parameters leave it out.
    """

    template_fields = ()

    def __init__(self, *, stage: str, size: str, **options: Any) -> None:
        super().__init__(**options)
        self.stage = stage
        self.size = size

    def execute(self, context: Context) -> None:
        run = run_of(context)
        plan = read_plan(run)
        if self.stage not in plan.known:
            raise AirflowSkipException(f"the parameters of this run leave {self.stage} out")
        if self.stage not in plan.stale:
            self.log.info("%s is unchanged; its outputs are those recorded in %s", self.stage,
                          run.workspace / "dvc.lock")
            age = provenance.reused(run, self.stage, stage_size(run, self.size))
            run.emit(self.stage, "cached", **({"age": age} if age else {}))
            return
        wishes = (*(("--force",) if self.stage in plan.forced else ()),
                  *(("--rerun-older",) if plan.rerun_older else ()))
        with reported(run, self.stage) as ending:
            job = stage_job(run, self.stage, self.size)
            runner = runner_of(context)
            output = self.work(replace(job, arguments=(*job.arguments, *wishes)), runner)
            _demand_result(run, self.stage, on_disk=runner.shares_disk)
            publish_lock(run)
            ending.age = provenance.take_over(run, self.stage)
            if any(said in line for line in output for said in _SKIPPED):
                ending.state = "cached"


class EffectOperator(JobOperator):
    """A command of evenvoice.tracking; it may reach the registry, and is safe to repeat.

    Its last line is its answer as JSON, which is kept beside the run for the tasks behind it and for `make run`.
    """

    template_fields = ("arguments", "product")

    def __init__(self, *, command: str, product: str, arguments: list[str] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.command = command
        self.product = product
        self.arguments = arguments or []

    def execute(self, context: Context) -> None:
        run = run_of(context)
        with reported(run, self.task_id):
            self.before(run, context)
            job = Job(name=self.task_id, run=run, directory=run.workspace, environment=_watching(run), trusted=True,
                      arguments=("-m", "evenvoice.tracking", self.command, "--product", self.product,
                                 "--run-id", run.run_id,
                                 *[argument for argument in self.arguments if argument]))
            output = self.work(self.placed(job, run), ProcessRunner())
            write_json(run.answer(self.task_id), json.loads(output[-1]))

    def before(self, run: Run, context: Context) -> None:
        """What has to happen before the command; for most effects nothing."""

    def placed(self, job: Job, run: Run) -> Job:
        """Where the job works; the workspace of its run, unless a kind of effect has none."""
        return job


class RecordOperator(EffectOperator):
    """`record` also wants to know which commit the run was made from."""

    def execute(self, context: Context) -> None:
        description = read_json(run_of(context).description)
        self.arguments = ["--commit", description["commit"], "--dirty" if description["dirty"] else ""]
        super().execute(context)

    def before(self, run: Run, context: Context) -> None:
        """It is the first effect, and all of them read results."""
        runner_of(context).collect(run)


class RegistryOperator(EffectOperator):
    """An effect on the registry alone: it belongs to no workspace."""

    def placed(self, job: Job, run: Run) -> Job:
        run.directory.mkdir(parents=True, exist_ok=True)
        return replace(job, directory=run.directory, environment={**job.environment, "PYTHONPATH": str(run.root)})


def stage_job(run: Run, stage: str, size_name: str) -> Job:
    """What a runner needs to know to run a stage, or with further arguments a part of it."""
    size = stage_size(run, size_name)
    threads = {"OMP_NUM_THREADS": str(size.cpus)} if size.cpus else {}
    if "@" in stage:  # items of a matrix are ready at the same time
        threads["OMP_WAIT_POLICY"] = "PASSIVE"
    return Job(name=stage, arguments=("-m", "worker", stage, "--minutes", f"{size.minutes:g}"), run=run,
               directory=run.workspace, size=size, size_name=size_name, environment={**_watching(run), **threads})


def stage_size(run: Run, name: str) -> Size:
    """What a stage may use in this run."""
    return load_params(run.workspace / "params.yaml").resources.size(name)


def _watching(run: Run) -> dict[str, str]:
    """Where progress is reported, and where all runs keep what they share."""
    return {"EVENVOICE_PROGRESS": str(run.progress), "EVENVOICE_HOME": str(run.state)}


def _demand_result(run: Run, stage: str, *, on_disk: bool) -> None:
    """Exit status 0 alone proves nothing (a trapped TERM ends so too); the entry in dvc.lock does.

    And it proves something about this run only if the stage read what the stages before it made here.
    """
    path = run.workspace / "dvc.lock"
    locked = dvc_lock.entries(path)
    outs = [out["path"] for out in locked.get(stage, {}).get("outs", [])]
    if not outs or (on_disk and not all((run.workspace / out).exists() for out in outs)):
        raise TransientError(name=stage, rule="have its outputs recorded in dvc.lock", value="no whole entry",
                             action=f"Read {run.log(stage)}; the stage is tried again.")
    dvc_lock.demand_agreement(locked, name=str(path), of=stage)

