"""One fault per test, on a real engine: nothing is lost, doubled or left behind, and the message says what to do."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dags.operators import _demand_result
from dags.runners.docker import DockerRunner
from dags.runners.job import Job, JobError
from dags.runs import Run
from evenvoice.errors import PreflightError, TransientError
from evenvoice.locks import exclusive
from evenvoice.params import Size
from ops.images.build import Image
from tests.builders.miniature import (
    WAITS_FOR_GO,
    containers_of,
    plain_job,
    prepared_run,
    recorded,
    stage_job,
    task_process,
    wait_until,
)

pytestmark = pytest.mark.engine
OTHER_CODE = r"the image evenvoice/stage:\S+ must hold the code of this run .* Run `make images`"
TRAPS_TERM = """\
import os, signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
Path('started').touch()
time.sleep(60)
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Whatever a test does to its containers, none may be there afterwards."""
    yield tmp_path
    left = containers_of(tmp_path)
    for found in left:
        found.remove(force=True)
        found.client.close()
    assert [found.name for found in left] == []


def run(job: Job) -> list[str]:
    lines: list[str] = []
    DockerRunner().run(job, lines.append)
    return lines


def failure(job: Job) -> JobError:
    with pytest.raises(JobError) as caught:
        run(job)
    return caught.value


def test_a_stage_ends_well_and_leaves_its_result_and_its_log(root: Path, stage_image: Image) -> None:
    work = stage_job(prepared_run(root, image=stage_image.digest))

    lines = run(work)

    assert recorded(work.run)
    assert work.log.read_text(encoding="utf-8").splitlines() == lines
    assert (work.run.workspace / "model").stat().st_nlink == 2  # a hard link into the cache
    assert (work.run.workspace / "model").stat().st_uid != 0


def test_after_a_kill_of_the_task_its_retry_takes_the_container_over(root: Path, stage_image: Image) -> None:
    work = stage_job(prepared_run(root, image=stage_image.digest, code=WAITS_FOR_GO))
    task = task_process(work.run)
    wait_until(work.run.workspace / "starts")

    task.kill()
    task.communicate()
    (work.run.workspace / "go").touch()
    lines = run(work)

    assert (work.run.workspace / "starts").read_text(encoding="utf-8") == "started\n"
    assert [line for line in lines if line in ("one", "two")] == ["one", "two"]
    assert work.log.read_text(encoding="utf-8").splitlines() == lines
    assert recorded(work.run)


def test_a_result_that_nobody_waited_for_is_collected(root: Path, stage_image: Image) -> None:
    work = stage_job(prepared_run(root, image=stage_image.digest, code=WAITS_FOR_GO))
    task = task_process(work.run)
    wait_until(work.run.workspace / "starts")
    task.kill()
    task.communicate()
    (work.run.workspace / "go").touch()
    [orphan] = containers_of(root)
    orphan.wait()
    orphan.client.close()

    assert "two" in run(work)
    assert (work.run.workspace / "starts").read_text(encoding="utf-8") == "started\n"
    assert recorded(work.run)


def test_a_cancelled_task_ends_its_stage_and_removes_the_container(root: Path, stage_image: Image) -> None:
    work = prepared_run(root, image=stage_image.digest, code=WAITS_FOR_GO)
    task = task_process(work)
    wait_until(work.workspace / "starts")

    task.send_signal(signal.SIGTERM)
    output, _ = task.communicate(timeout=60)

    assert task.returncode == 128 + signal.SIGTERM, output
    assert containers_of(root) == []
    assert not recorded(work)


def test_a_stage_that_exits_0_when_cancelled_is_not_done(root: Path, stage_image: Image) -> None:
    work = stage_job(prepared_run(root, image=stage_image.digest, code=TRAPS_TERM))
    runner = DockerRunner()
    stopper = threading.Thread(target=lambda: (wait_until(work.run.workspace / "started"), runner.stop()))

    stopper.start()
    with pytest.raises(JobError) as caught:
        runner.run(work, lambda _line: None)
    stopper.join()

    assert caught.value.exit_code == 128 + signal.SIGTERM
    assert not recorded(work.run)


def test_a_container_that_somebody_else_stopped_and_that_exits_0_is_not_done(root: Path, stage_image: Image) -> None:
    work = plain_job(prepared_run(root, image=stage_image.digest), TRAPS_TERM)
    stopper = threading.Thread(target=lambda: (wait_until(work.run.workspace / "started"), stop_from_outside(root)))

    stopper.start()
    run(work)
    stopper.join()

    with pytest.raises(TransientError, match=r"train must have its outputs recorded in dvc\.lock"):
        _demand_result(work.run, "train", on_disk=True)


def test_a_stage_beyond_its_memory_fails_at_once_and_says_what_to_raise(root: Path, stage_image: Image) -> None:
    work = prepared_run(root, image=stage_image.digest, code="bytearray(2 * 10**9)")

    ended = failure(stage_job(work, Size(cpus=0, memory_gb=0.5, gpus=0, minutes=2)))

    assert not ended.transient
    assert str(ended).splitlines()[-1] == (
        "ParamsError: resources.training.memory_gb must be enough for train, got 0.5, at which the kernel ended it "
        "instead. Raise it in params.yaml, or give the stage less to hold at once.")
    assert not recorded(work)


def test_a_killed_container_does_not_block_its_retry(root: Path, stage_image: Image) -> None:
    work = stage_job(prepared_run(root, image=stage_image.digest, code=WAITS_FOR_GO))
    killer = threading.Thread(target=lambda: (wait_until(work.run.workspace / "starts"), kill_from_outside(root)))

    killer.start()
    ended = failure(work)
    killer.join()
    (work.run.workspace / "go").touch()
    run(work)

    assert ended.transient
    assert recorded(work.run)


def test_the_same_stage_started_twice_runs_once(root: Path, stage_image: Image) -> None:
    work = prepared_run(root, image=stage_image.digest, code=WAITS_FOR_GO)
    tasks = [task_process(work), task_process(work)]
    wait_until(work.workspace / "starts")

    (work.workspace / "go").touch()
    outputs = [task.communicate(timeout=60)[0] for task in tasks]

    assert [task.returncode for task in tasks] == [0, 0], outputs
    assert (work.workspace / "starts").read_text(encoding="utf-8") == "started\n"
    assert recorded(work)


def test_two_runs_at_once_have_two_containers_and_two_results(root: Path, stage_image: Image) -> None:
    runs = [prepared_run(root, image=stage_image.digest, code=WAITS_FOR_GO, run_id=day) for day in ("monday", "sunday")]
    tasks = [task_process(work) for work in runs]
    for work in runs:
        wait_until(work.workspace / "starts")

    names = {found.name for found in containers_of(root)}
    for work in runs:
        (work.workspace / "go").touch()
    outputs = [task.communicate(timeout=60)[0] for task in tasks]

    assert len(names) == 2
    assert [task.returncode for task in tasks] == [0, 0], outputs
    assert all(recorded(work) for work in runs)


def test_a_missing_image_is_named_with_the_command_that_makes_it(root: Path, stage_image: Image,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    work = prepared_run(root, image=f"sha256:{'0' * 64}")

    with pytest.raises(PreflightError, match=r"the image sha256:0+ must be on the Docker engine .* Run `make images`"):
        run(stage_job(work))
    monkeypatch.setenv("EVENVOICE_STAGE_IMAGE", "evenvoice/nowhere:0")
    with pytest.raises(PreflightError, match=r"the image evenvoice/nowhere:0 must be on .* Run `make images`"):
        DockerRunner().prepare(work)


def test_an_image_with_other_code_than_the_run_is_refused(root: Path, stage_image: Image) -> None:
    with pytest.raises(PreflightError, match=OTHER_CODE):
        DockerRunner().prepare(prepared_run(root, image=stage_image.digest))


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a socket of Docker's client, which never was connected
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_without_an_engine_a_run_says_how_to_get_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{root}/absent.sock")

    with pytest.raises(PreflightError, match=r"absent\.sock must answer, .* Start it .* RUNNER=process"):
        DockerRunner().prepare(prepared_run(root, image="none"))
    gc.collect()
    monkeypatch.undo()


def test_a_folder_that_the_engine_does_not_see_is_named(root: Path, stage_image: Image) -> None:
    work = prepared_run(root, image=stage_image.digest)
    absent = root / "recordings"
    (work.workspace / "params.yaml").write_text(f"ingest: {{corpus: {absent}, census: ''}}\n", encoding="utf-8")

    with pytest.raises(PreflightError, match=f"{absent} must exist on the machine of the Docker engine"):
        run(Job(name="ingest", arguments=("-c", ""), run=work, directory=work.workspace))


def test_a_full_disk_is_called_by_its_name(root: Path, stage_image: Image) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    state = Run(root, "").state
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(state)], check=True)
    try:
        work = prepared_run(root, image=stage_image.digest, code="open('model', 'wb').write(bytes(2**26))")
        ended = failure(stage_job(work))
        done = recorded(work)
    finally:
        subprocess.run(["umount", str(state)], check=True)

    assert not ended.transient
    assert f"WorkspaceError: {state} must have room for what train writes, got 0 MB free" in str(ended)
    assert not done


def test_containers_of_a_run_that_was_killed_are_removed_by_the_next(root: Path, stage_image: Image) -> None:
    dead = prepared_run(root, image=stage_image.digest, code=WAITS_FOR_GO, run_id="make-dead")
    alive = prepared_run(root, image=stage_image.digest, code=WAITS_FOR_GO, run_id="make-alive")
    tasks = [task_process(work) for work in (dead, alive)]
    for work in (dead, alive):
        work.alive.touch()
        wait_until(work.workspace / "starts")
    for task in tasks:
        task.kill()
        task.communicate()

    with exclusive(alive.alive, wait=False), pytest.raises(PreflightError, match=OTHER_CODE):
        DockerRunner().prepare(prepared_run(root, image=stage_image.digest, run_id="make-next"))

    assert {found.labels["evenvoice.run"] for found in containers_of(root)} == {"make-alive"}
    DockerRunner().abandon(alive)


def stop_from_outside(root: Path) -> None:
    [found] = containers_of(root)
    found.stop()
    found.client.close()


def kill_from_outside(root: Path) -> None:
    [found] = containers_of(root)
    found.kill()
    found.client.close()
