"""After a full run one parameter of every section is changed in turn: exactly the stages below it run again.

Stages as processes, on the real DVC, the project's own graph and workspaces; what a stage has to write is worked out
without DVC (tests/builders/sweep.py). The same in containers: test_sweep_docker.py; without a shared disk:
test_sweep_pods.py.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dags.dvc_graph import load_graph
from dags.operators import stage_job
from dags.runners.job import JobError
from dags.runners.process import ProcessRunner
from dags.runs import Run
from evenvoice import dvc_lock
from evenvoice.made_with import outputs_digest
from evenvoice.params import Params
from evenvoice.storage import read_json, write_json
from tests.builders import stand_in
from tests.builders.sweep import (
    CHANGES,
    KEPT,
    begin,
    below,
    changes_of,
    expected,
    finish,
    found,
    sweep_checkout,
    work_off,
)

pytestmark = pytest.mark.science
ALL = frozenset({"ingest", "featurize", "tokenizer", "train", "transcribe@base", "transcribe@ewc",
                 "train_speaker@none", "embed", "discover@geographic", "mitigate@ewc", "thin@half", "wanted",
                 "evaluate", "gate", "report"})


@dataclass
class Site:
    """A checkout whose runs follow each other."""

    root: Path
    changes: dict[str, object] = field(default_factory=dict)
    runs: int = 0

    def run(self, changes: Mapping[str, object] | None = None, **request: Any) -> tuple[Run, frozenset[str]]:
        """One run to its end; returns it with the stages that worked."""
        self.runs += 1
        run = begin(self.root, f"run-{self.runs}", ProcessRunner(), self.changes if changes is None else changes,
                    **request)
        worked = work_off(run, ProcessRunner)
        finish(run)
        assert found(run.workspace) == expected(run.workspace)
        return run, worked


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(sweep_checkout(tmp_path_factory.mktemp("sweep") / "evenvoice"))


@pytest.fixture(scope="module")
def first(site: Site) -> Run:
    run, worked = site.run()
    assert worked == ALL
    return run


def test_every_section_has_a_change() -> None:
    assert {name.partition(".")[0] for name in CHANGES} == set(Params.model_fields)


def test_each_change_runs_exactly_what_lies_below_it(site: Site, first: Run) -> None:
    for name, value in CHANGES.items():
        site.changes[name] = value
        run, worked = site.run()

        assert worked == below(load_graph(run.workspace), [name]), name


def test_the_verifier_is_made_apart_and_each_of_its_changes_runs_what_lies_below_it(site: Site, first: Run) -> None:
    made = {"embed", "evaluate_verifier", "gate_verifier", "report_verifier",
            *(f"{stage}@{weighting}" for stage in ("train_speaker", "verify") for weighting in KEPT["weighting"])}
    _, worked = site.run({}, dag="train_verifier")
    # what both products need came with the recogniser
    assert worked == made - {"train_speaker@none", "embed"}

    changes: dict[str, object] = {}
    for section in ("report", "verifier_gate", "evaluate", "verify", "weightings", "train_speaker"):
        changes |= changes_of([section])
        run, worked = site.run(changes, dag="train_verifier")
        assert worked == below(load_graph(run.workspace), changes_of([section])), section

    _, nobody = site.run({})
    assert nobody == frozenset()


def test_the_recogniser_of_two_talkers_is_made_apart_from_what_the_other_one_left(site: Site, first: Run) -> None:
    made = {"mix", *(f"{stage}_multitalker" for stage in ("train", "transcribe", "evaluate", "gate", "report"))}
    _, worked = site.run({}, dag="train_multitalker")
    # the base recogniser and its cohorts came with the other product
    assert worked == made

    changes: dict[str, object] = {}
    for section in ("report", "multitalker_gate", "evaluate", "evaluate_multitalker", "train_multitalker", "mix"):
        changes |= changes_of([section])
        run, worked = site.run(changes, dag="train_multitalker")
        assert worked == below(load_graph(run.workspace), changes_of([section])), section

    _, nobody = site.run({})
    assert nobody == frozenset()


def test_going_back_runs_nothing_and_restores_the_first_results(site: Site, first: Run) -> None:
    run, worked = site.run({})

    assert worked == frozenset()
    assert found(run.workspace) == found(first.workspace)


def test_a_forced_stage_runs_alone_since_its_result_is_the_same(site: Site, first: Run) -> None:
    _, worked = site.run({}, force_stage="transcribe")

    assert worked == {"transcribe@base", "transcribe@ewc"}


def test_results_of_older_packages_are_shown_and_made_anew_where_that_is_asked_for(site: Site, first: Run) -> None:
    [record] = (site.root / ".evenvoice" / "made_with" / "train").glob(f"*{outputs_of(first, 'train')}.json")
    write_json(record, {**read_json(record), "python": "3.11.0"})
    age = [f"Python 3.11.0, now {platform.python_version()}"]

    shown, nobody = site.run({})
    assert (nobody, told(shown, "train")["age"], told(shown, "gate")["age"]) == (frozenset(), age, [])

    anew, worked = site.run({}, stale="rerun")
    assert (worked, told(anew, "train")["executed"], told(anew, "train")["age"]) == ({"train"}, True, [])

    settled, nobody = site.run({})
    assert (nobody, told(settled, "train")["age"]) == (frozenset(), [])


def outputs_of(run: Run, stage: str) -> str:
    return outputs_digest(dvc_lock.entries(run.workspace / "dvc.lock")[stage])


def told(run: Run, stage: str) -> Any:
    return read_json(run.workspace / ".made_with" / f"{stage}.json")


def test_a_failed_run_leaves_nothing_that_a_later_one_takes_for_its_own(site: Site, first: Run) -> None:
    failing = {"train.steps": 11, "evaluate.null_partitions": stand_in.FAILS}
    with pytest.raises(JobError, match="evaluate exited with 3"):
        site.run(failing)

    _, untouched = site.run({})
    _, mended = site.run({"train.steps": 11})

    assert untouched == frozenset()
    assert mended == {"evaluate", "gate", "report"}


def test_a_worker_that_was_killed_is_repeated_and_nothing_else(site: Site, first: Run, tmp_path: Path,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_WAITS", str(tmp_path / "waits"))
    changes = {"train.learning_rate": stand_in.WAITS}
    run = begin(site.root, "killed", ProcessRunner(), changes)
    job = stage_job(run, "train", "training")
    worker = subprocess.Popen([sys.executable, *job.arguments], cwd=job.directory, start_new_session=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (waits := tmp_path / "waits").exists() or not waits.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    worker.kill()
    worker.wait()
    os.kill(int(waits.read_text(encoding="utf-8")), signal.SIGKILL)

    worked = work_off(run, ProcessRunner)
    finish(run)

    assert worked == below(load_graph(run.workspace), ["train.learning_rate"])
    assert found(run.workspace) == expected(run.workspace)
