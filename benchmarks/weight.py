"""What a runner adds to a stage: seconds of the same small stage as a bare command, as a process, container and pod.

    make images
    python -m benchmarks.weight
    make cluster-up; set -a; . .evenvoice/cluster/environment; set +a
    python -m benchmarks.weight --runners process kubernetes

A run with the tiny profile is brought to each stage by processes, and by pods where these are measured. Then the stage
is run again and again, forced, by each runner in turns, as the job that an Airflow task would give it: lock, DVC,
hashes, log and exit status included. A runner's weight is what it takes more than the bare command of dvc.yaml. Goals:
a container adds at most 3 s and a pod at most 6 s, from the first stage to the last. Medians; the load of the machine
stands beside them.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from benchmarks.hardware import hardware, write_result
from dags.dvc_graph import Graph, graph_of_run
from dags.runners import RUNNERS
from dags.runners.job import Job, Runner
from dags.runners.pod_settings import exchange_of
from dags.runs import ROOT, Run
from dags.workspace import Request, create, describe
from dags.yaml_files import read_yaml
from evenvoice.object_store.address import Address
from evenvoice.object_store.client import client
from evenvoice.params import load_params, models_in

PROCESS, CONTAINER, POD = "process", "docker", "kubernetes"
GOAL_S = {CONTAINER: 3.0, POD: 6.0}
MINUTES = 10


@dataclass(frozen=True, kw_only=True)
class Weight:
    """One stage."""

    stage: str
    load: float
    """Average of the last minute, when it was measured."""
    command_s: list[float]
    """Of each turn: the bare command."""
    runner_s: dict[str, list[float]]
    """The same by each runner."""

    def added_s(self, runner: str) -> float:
        """What a runner takes more than the bare command; medians."""
        return statistics.median(self.runner_s[runner]) - statistics.median(self.command_s)

    def __str__(self) -> str:
        lines = [f"{self.stage}: the command alone takes {statistics.median(self.command_s):.2f} s, at a load of "
                 f"{self.load:.1f}"]
        for runner, taken in self.runner_s.items():
            missed = self.added_s(runner) > GOAL_S.get(runner, math.inf)
            lines.append(f"    {runner:8} {statistics.median(taken):6.2f} s, adds {self.added_s(runner):6.2f} s"
                         f"{'  misses the goal' if missed else ''}")
        return "\n".join(lines)


class Prepared:
    """A run with the tiny profile, brought as far as is needed, and the runners that took a look at it."""

    def __init__(self, run: Run, runners: Sequence[str]) -> None:
        self.run = run
        create(run, Request(profile="tiny"))
        self.runners: dict[str, Runner] = {name: RUNNERS[name]() for name in runners}
        for runner in self.runners.values():
            describe(run, runner.prepare(run))

    def leading_to(self, stage: str) -> Graph:
        """The stages before ``stage``, and it."""
        params = read_yaml(self.run.workspace / "params.yaml")
        return graph_of_run(self.run.workspace, params, models=models_in(params), last=stage)

    def by(self, runner: str, stage: str) -> None:
        """Run a stage as an Airflow task has it run, forced; of pods the last result is forgotten before."""
        if runner == POD:
            address = Address.parse(f"{exchange_of(self.run)}/fragments/{stage}")
            client().delete_object(Bucket=address.bucket, Key=address.key)
        light = load_params(self.run.workspace / "params.yaml").resources.light
        self.runners[runner].run(Job(
            name=stage, arguments=("-m", "worker", stage, "--force", "--minutes", str(MINUTES)), run=self.run,
            directory=self.run.workspace, environment={"EVENVOICE_HOME": str(self.run.state)}, size=light,
            size_name="light"), lambda line: None)

    def measure(self, stage: str, repeats: int) -> Weight:
        """Take each way in turns; the first turn does not count."""
        *before, last = self.leading_to(stage).in_order()
        for node in before:
            if not all((self.run.workspace / out).exists() for out in node.outs):
                for runner in self.runners.keys() & {PROCESS, POD}:
                    self.by(runner, node.name)
        command = [sys.executable, *last.cmd.split()[1:]]

        def bare() -> None:
            subprocess.run(command, cwd=self.run.workspace, check=True, capture_output=True)  # noqa: S603

        turns = [(_seconds(bare), *(_seconds(partial(self.by, runner, stage)) for runner in self.runners))
                 for _ in range(repeats + 1)][1:]
        alone, *others = ([turn[way] for turn in turns] for way in range(1 + len(self.runners)))
        return Weight(stage=stage, load=os.getloadavg()[0], command_s=alone,
                      runner_s=dict(zip(self.runners, others, strict=True)))


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 3)


def main() -> None:
    """Measure each stage, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", nargs="+", default=["tokenizer", "gate"], help="small ones, early and late")
    parser.add_argument("--runners", nargs="+", default=[PROCESS, CONTAINER], choices=RUNNERS, help="process is needed")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # modules are compiled in a run, as they are in the image: Makefile
    machine = {**hardware(), "load_at_start": os.getloadavg()}
    run = Run(ROOT, f"weight-{uuid.uuid4().hex[:8]}")
    weights = []
    try:
        prepared = Prepared(run, options.runners)
        for stage in options.stages:
            weights.append(prepared.measure(stage, options.repeats))
            print(weights[-1], flush=True)
    finally:
        shutil.rmtree(run.directory, ignore_errors=True)
    print(write_result(f"weight-{options.runners[-1]}", {"hardware": machine, "repeats": options.repeats,
                                  "stages": [asdict(weight) for weight in weights]}))


if __name__ == "__main__":
    main()
