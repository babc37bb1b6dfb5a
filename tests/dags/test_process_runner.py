"""Processes: how they end, what they leave, and what they may see."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from dags.runners.job import Job, JobError
from dags.runners.process import ProcessRunner
from dags.runs import Run


def job(directory: Path, code: str, *, name: str = "train", trusted: bool = False) -> Job:
    return Job(name=name, arguments=("-c", code), run=Run(directory, "monday"), directory=directory, trusted=trusted)


def run(work: Job) -> list[str]:
    lines: list[str] = []
    ProcessRunner().run(work, lines.append)
    return lines


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"


def test_output_is_shown_line_by_line_and_kept_in_the_log(tmp_path: Path) -> None:
    work = job(tmp_path, "import sys; print('one'); print('two', file=sys.stderr); print('three', end='')")

    assert sorted(run(work)) == ["one", "three", "two"]
    assert "two" in work.log.read_text(encoding="utf-8")


def test_a_failure_ends_with_the_stages_own_words(tmp_path: Path) -> None:
    code = ("print('step 1'); print('CorpusError: row 7 must be audio, got soup instead. Replace it.'); "
            "print(\"ERROR: failed to reproduce 'train': failed to run: python -m stages.train, exited with 3\"); "
            "raise SystemExit(3)")

    with pytest.raises(JobError) as failure:
        run(job(tmp_path, code))

    assert str(failure.value).splitlines()[-1] == "CorpusError: row 7 must be audio, got soup instead. Replace it."
    assert failure.value.exit_code == 3
    assert not failure.value.transient


@pytest.mark.parametrize("ending", ["raise SystemExit(75)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
                                    "raise SystemExit(137)"])
def test_what_may_succeed_later_is_transient(tmp_path: Path, ending: str) -> None:
    with pytest.raises(JobError) as failure:
        run(job(tmp_path, ending))

    assert failure.value.transient


def test_a_defect_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(JobError) as failure:
        run(job(tmp_path, "1 / 0"))

    assert not failure.value.transient
    assert "ZeroDivisionError" in str(failure.value)


def test_stopping_ends_the_process_and_its_children(tmp_path: Path) -> None:
    code = ("import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; "
            "time.sleep(60)']); print(child.pid, flush=True); time.sleep(60)")
    runner, lines = ProcessRunner(), []
    stopper = threading.Thread(target=lambda: (wait_for(lines), runner.stop()))

    stopper.start()
    with pytest.raises(JobError) as failure:
        runner.run(job(tmp_path, code), lines.append)
    stopper.join()

    assert failure.value.exit_code == -15
    assert not alive(int(lines[0]))


def test_children_that_outlive_a_job_are_ended_with_it(tmp_path: Path) -> None:
    code = ("import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; "
            "time.sleep(60)']).pid)")

    child = int(run(job(tmp_path, code))[0])

    assert not alive(child)


def test_stages_see_nothing_of_the_scheduler_and_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "secret")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    code = "import os; print('secret' in os.environ.values())"

    assert run(job(tmp_path, code)) == ["False"]
    assert run(job(tmp_path, code, trusted=True)) == ["True"]


def wait_for(lines: list[str]) -> None:
    deadline = time.monotonic() + 10
    while not lines and time.monotonic() < deadline:
        time.sleep(0.05)
