"""`make run`: a DAG that makes a product in the foreground, to its end."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

from rich.console import Console

from dags.dvc_graph import graph_of_run
from dags.pipelines import RECOGNISER, pipeline
from dags.plan import forced_stages
from dags.runners import RUNNERS, default_runner
from dags.runs import Run
from dags.workspace import SHOW, Request, run_params
from evenvoice.errors import ParamsError
from evenvoice.locks import exclusive
from evenvoice.metrics.partitions import DESCRIPTION, partition_folder, partitions_of
from evenvoice.origins import PLACED, RULES
from evenvoice.params import ARMS, METHODS, Params, mappings, models_in
from evenvoice.settings import read_value
from evenvoice.storage import fresh_directory, write_bytes, write_json
from ops.board import Board, Events, clock
from ops.console import display
from ops.database import fresh_database
from ops.environment import environment
from ops.multitalker import finish_multitalker
from ops.processes import end_tree
from ops.slots import DAG, EXECUTOR, slots_here
from ops.summary import Outcome, print_failure, print_summary, read_outcome
from ops.verifier import finish_verifier

SNAPSHOT = "snapshot"
EFFECTS = ("record", "register", "promote")
POLL_S = 0.2
REPORTS = ("index.html", "model_card.md")
MODEL = "model"
"""What `evenvoice transcribe` uses where none is named."""
COHORTS = "cohorts"
FROZEN = (RULES, DESCRIPTION)
"""What a later run needs to judge cohorts again; who is in which stays with the run."""


@dataclass(frozen=True)
class RunOptions:
    """What stands behind `make run`, as text."""

    dag: str = RECOGNISER.dag
    profile: str = ""
    corpus: str = ""
    changes: tuple[str, ...] = ()
    """``train.steps=100`` and the like."""
    force: bool = False
    force_stage: str = ""
    stale: str = SHOW
    """What becomes of results that other packages, interpreters or processors made."""
    verify: bool = False
    """Read all content of a corpus on a disk."""
    runner: str = field(default_factory=default_runner)
    jobs: int = 0
    """How many stages run side by side at most; 0 leaves it to what this machine has."""


@dataclass
class StopRequestedError(Exception):
    """A signal asks for the end."""

    number: int = field(default=signal.SIGINT)


def run_in_foreground(root: Path, options: RunOptions, console: Console) -> int:
    """Run and show it; returns the exit status of `make run`.

    Raises:
        ParamsError: the parameters were refused before anything began.
    """
    began = time.monotonic()
    changes = parse_changes(options.changes)
    making = pipeline(options.dag)
    request = Request(dag=options.dag, profile=options.profile, corpus=options.corpus, changes=changes,
                      force=options.force, force_stage=options.force_stage, stale=options.stale,
                      verify=options.verify)
    params = run_params(root, request)
    models = models_in(params)
    graph = graph_of_run(root, params, models=models, last=making.last)
    forced_stages(graph, everything=options.force, stage=options.force_stage)
    run = Run(root, f"make-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}")
    run.directory.mkdir(parents=True)
    board = Board((SNAPSHOT, "plan", *(node.name for node in graph.in_order()), *EFFECTS))
    console.print(f"run {run.run_id}, all of its output in {os.path.relpath(run.directory)}", highlight=False,
                  soft_wrap=True)
    if making == RECOGNISER and (left_out := [arm for arm in ARMS if arm not in models]):
        console.print(f"left out by mitigate.arms: {', '.join(left_out)}", highlight=False, soft_wrap=True)
    exit_code = 1
    try:
        with _signals_raise(), exclusive(run.alive, wait=True) as held:
            fresh_database(root, run.directory / "airflow.db")
            exit_code = _execute(run, options, changes, board, console, held)
    except StopRequestedError as stop:
        console.print("\nstopped; `make run` goes on from what is finished", highlight=False)
        exit_code = 128 + stop.number
    finally:
        run.finish("success" if exit_code == 0 else "failed")  # first, so that nobody takes what is ended for lost
        RUNNERS[options.runner]().abandon(run)
        (run.directory / "airflow.db").unlink(missing_ok=True)
    if exit_code == 0:
        FINISH[making.product](run, console, took=clock(time.monotonic() - began))
    elif exit_code == 1:
        print_failure(run, board, console)
    return exit_code


def parse_changes(texts: tuple[str, ...]) -> dict[str, Any]:
    """``train.steps=100`` to ``{"train.steps": 100}``, values as params.yaml would hold them.

    An entry of a value that is a mapping may be given by itself: ``synthetic.collect.ozarks=20``.

    Raises:
        ParamsError: no value, one that readers of YAML disagree about, or two for one name.
    """
    changes: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ParamsError(name="SET", rule="read section.name=value", value=text,
                              action='For example: make run SET="train.steps=100 arms.ewc.weight=0.1".')
        name = name.strip()
        if name in changes:
            raise ParamsError(name=f"SET: {name}", rule="be given once", value=f"{changes[name]!r} and {value}",
                              action="Keep one of the two.")
        changes[name] = read_value(value, name, "SET")
    return _with_entries_gathered(changes)


def _with_entries_gathered(changes: Mapping[str, Any]) -> dict[str, Any]:
    gathered: dict[str, Any] = {}
    for name, value in changes.items():
        whole, _, entry = name.rpartition(".")
        if whole not in mappings(Params):
            gathered[name] = value
        elif isinstance(gathered.setdefault(whole, {}), dict):
            gathered[whole] = {**gathered[whole], entry: value}
    return gathered


def finish_recogniser(run: Run, console: Console, *, took: str) -> None:
    """Put the newest report, the model it judges and its cohorts where people look, and sum up."""
    outcome = read_outcome(run)
    publish_reports(run, outcome)
    print_summary(run, outcome, console, took=took)


FINISH: Final = {"recogniser": finish_recogniser, "verifier": finish_verifier, "multitalker": finish_multitalker}
"""What is done with the results of each product when its run has ended."""


def publish_reports(run: Run, outcome: Outcome) -> None:
    """Put the newest report, the model it judges and its cohorts where people look.

    What became of the model is added to verdict.json.
    """
    target = run.root / "reports"
    with fresh_directory(target / MODEL) as draft:
        shutil.copytree(run.workspace / "artifacts" / "models" / outcome.verdict["challenger"], draft,
                        dirs_exist_ok=True, ignore=shutil.ignore_patterns(PLACED))
    found = run.workspace / "artifacts" / "cohorts"
    with fresh_directory(target / COHORTS) as draft:
        # a method with several partitions describes them beside their folders
        folders = {partition_folder(Path(), name) for name in partitions_of(found, METHODS)}
        files = {folder / name for folder, name in product(folders, FROZEN)}
        for file in sorted(files.union(Path(method) / DESCRIPTION for method in METHODS)):
            write_bytes(draft / file, (found / file).read_bytes())
    for name in REPORTS:
        write_bytes(target / name, (run.workspace / "reports" / name).read_bytes())
    model = {"version": outcome.registered["version"], "promotion": outcome.promotion["outcome"],
             "reason": outcome.promotion["reason"], "champion": outcome.promotion["champion"], "run": run.run_id}
    write_json(target / "verdict.json", {**outcome.verdict, "model": model})


def _execute(run: Run, options: RunOptions, changes: Mapping[str, Any], board: Board, console: Console,
             held: int) -> int:
    settings: dict[str, Any] = {
        "profile": options.profile, "corpus": options.corpus, "force": options.force,
        "force_stage": options.force_stage, "stale": options.stale, "verify": options.verify, "runner": options.runner,
        "attended": False,
        **{name: str(value).lower() if isinstance(value, bool) else value for name, value in changes.items()}}
    argv = [sys.executable, "-m", "airflow", "dags", "test", options.dag, "--use-executor", "--conf",
            json.dumps(settings)]
    env = {**environment(run.root, database=run.directory / "airflow.db"), "EVENVOICE_RUN": run.run_id,
           DAG: options.dag, "EVENVOICE_RUNNER": options.runner,
           "AIRFLOW__CORE__EXECUTOR": EXECUTOR,
           "AIRFLOW__CORE__PARALLELISM": str(options.jobs or slots_here(options.runner))}
    with (run.directory / "airflow.log").open("ab") as log:
        process = subprocess.Popen(argv, cwd=run.root, env=env, stdin=subprocess.DEVNULL, stdout=log,  # noqa: S603
                                   stderr=subprocess.STDOUT, start_new_session=True, pass_fds=(held,))
        try:
            _watch(process, Events(run.progress), board, console)
        finally:
            if process.poll() is None:
                end_tree(process.pid)
    return 1 if process.wait() else 0


def _watch(process: subprocess.Popen[bytes], events: Events, board: Board, console: Console) -> None:
    with display(console, board) as shown:
        over = False
        while not over:
            over = process.poll() is not None
            for event in events.new():
                if {"state", "done", "why"} & event.keys():
                    shown.show(board.apply(event))
                elif event["stage"] == SNAPSHOT and "note" in event:  # what stages say in passing, their logs have
                    console.print(f"{event['stage']:<24} {event['note']}", highlight=False, markup=False)
            time.sleep(POLL_S)


@contextmanager
def _signals_raise() -> Iterator[None]:
    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        raise StopRequestedError(number)

    earlier = {kind: signal.signal(kind, stop) for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for kind, handler in earlier.items():
            signal.signal(kind, handler)
