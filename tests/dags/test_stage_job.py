"""What a runner is told about a stage: threads that share the cores without a fight."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from dags.operators import StageOperator, stage_job
from dags.runs import Run
from evenvoice.storage import write_json

ROOT = Path(__file__).resolve().parents[2]
SPINS = "import os, stages; print(os.environ.get('GOMP_SPINCOUNT'))"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run(tmp_path, "monday")
    made.workspace.mkdir(parents=True)
    shutil.copy(ROOT / "params.yaml", made.workspace / "params.yaml")
    return made


@pytest.mark.parametrize(("stage", "policy"), [("mitigate@ewc", "PASSIVE"), ("transcribe@base", "PASSIVE"),
                                               ("train", None), ("evaluate", None)])
def test_threads_of_stages_that_are_ready_together_sleep_while_they_wait(run: Run, stage: str, policy: str | None,
                                                                         ) -> None:
    assert stage_job(run, stage, "training").environment.get("OMP_WAIT_POLICY") == policy


def test_a_stage_has_its_watchers_and_its_minutes(run: Run) -> None:
    job = stage_job(run, "train", "training")

    assert job.arguments[:3] == ("-m", "worker", "train")
    assert job.environment["EVENVOICE_PROGRESS"] == str(run.progress)


def test_a_stage_of_an_arm_that_the_run_leaves_out_is_skipped(tmp_path: Path,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dags.operators.ROOT", tmp_path)
    write_json(Run(tmp_path, "monday").plan, {"stale": ["mitigate@ewc"], "known": ["mitigate@ewc"], "forced": [],
                                              "changed": [], "rerun_older": False})
    operator = StageOperator(task_id="l2sp", stage="mitigate@l2sp", size="training")

    with pytest.raises(AirflowSkipException, match="the parameters of this run leave mitigate@l2sp out"):
        operator.execute({"run_id": "monday"})  # type: ignore[typeddict-item]


@pytest.mark.parametrize(("given", "spins"), [({}, "2000"), ({"OMP_WAIT_POLICY": "PASSIVE"}, "None"),
                                              ({"GOMP_SPINCOUNT": "7"}, "7")])
def test_a_stage_alone_spins_a_little_unless_told_otherwise(given: dict[str, str], spins: str) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}

    said = subprocess.run([sys.executable, "-c", SPINS], cwd=ROOT, env={**env, **given}, capture_output=True, text=True,
                          check=True)

    assert said.stdout.split() == [spins]
