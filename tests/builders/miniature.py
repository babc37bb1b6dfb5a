"""A run with one small stage, as `train_asr` would leave it before its first stage, and its containers.

    stage code is plain Python in train.py; DVC runs it with `python train.py` and expects the file `model`
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import docker
from docker.models.containers import Container

from dags.runners import container
from dags.runners.job import Job
from dags.runs import Run
from evenvoice.params import Size

ROOT = Path(__file__).resolve().parents[2]
SMALL = Size(cpus=0, memory_gb=1, gpus=0, minutes=2)
WRITES_MODEL = "from pathlib import Path; Path('model').write_text('weights')\n"
WAITS_FOR_GO = """\
import time
from pathlib import Path
with Path('starts').open('a') as log: log.write('started\\n')
print('one', flush=True)
while not Path('go').exists(): time.sleep(0.05)
print('two', flush=True)
Path('model').write_text('weights')
"""
TASK = """\
import json, signal, sys
from pathlib import Path
from dags.runners.docker import DockerRunner
from dags.runners.job import JobError
from dags.runs import Run
from tests.builders.miniature import stage_job
runner = DockerRunner()
signal.signal(signal.SIGTERM, lambda *_: runner.stop())  # as Airflow's task process does
try:
    runner.run(stage_job(Run(Path(sys.argv[1]), sys.argv[2])), print)
except JobError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def prepared_run(root: Path, *, image: str, code: str = WRITES_MODEL, run_id: str = "monday") -> Run:
    """The workspace of a run whose only stage is ``train``."""
    run = Run(root, run_id)
    (run.workspace / ".dvc").mkdir(parents=True)
    files = {
        ".dvc/config": "[core]\n    analytics = false\n    no_scm = true\n[cache]\n    type = \"hardlink,copy\"\n"
                       f"    dir = {run.state / 'cache'}\n",
        "dvc.yaml": "stages:\n  train:\n    cmd: python train.py\n    deps: [train.py]\n    outs: [model]\n",
        "train.py": code, "params.yaml": (ROOT / "params.yaml").read_text(encoding="utf-8"),
        **{f"{part}/code.py": "" for part in ("evenvoice", "stages", "worker")}}
    for name, content in files.items():
        (run.workspace / name).parent.mkdir(exist_ok=True)
        (run.workspace / name).write_text(content, encoding="utf-8")
    run.description.write_text(json.dumps({"run_id": run_id, "commit": "0" * 40, "image_digest": image}),
                               encoding="utf-8")
    return run


def stage_job(run: Run, size: Size = SMALL) -> Job:
    """The stage as Airflow's task would ask for it."""
    return Job(name="train", arguments=("-m", "worker", "train", "--minutes", f"{size.minutes:g}"), run=run,
               directory=run.workspace, size=size, size_name="training")


def plain_job(run: Run, code: str) -> Job:
    """A container that runs ``code`` rather than the worker; told where its log is by its last argument."""
    return replace(stage_job(run), arguments=("-c", code))


def task_process(run: Run) -> subprocess.Popen[str]:
    """Another process that follows the stage of ``run``, as a task of Airflow does."""
    return subprocess.Popen([sys.executable, "-c", TASK, str(run.root), run.run_id], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def containers_of(root: Path) -> list[Container]:
    """Every container that belongs to this root, running or not."""
    client = docker.from_env()
    try:
        found = client.containers.list(all=True, filters={"label": f"{container.STATE}={Run(root, '').state}"})
        return list(found)
    finally:
        client.close()


def recorded(run: Run) -> bool:
    """Whether dvc.lock has the stage and its output is there."""
    lock = run.workspace / "dvc.lock"
    return lock.exists() and "train" in lock.read_text(encoding="utf-8") and (run.workspace / "model").exists()


def wait_until(happened: Path) -> None:
    """Wait for a file that a stage writes."""
    deadline = time.monotonic() + 60
    while not happened.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert happened.exists()
