"""`make run RUNNER=docker` with the tiny profile: the same figures as without containers, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ops.images.build import Image
from tests.builders.checkout import full_checkout
from tests.builders.engine import Engine
from tests.builders.miniature import containers_of
from worker import dvc_door

pytestmark = pytest.mark.engine
SAME = ("artifacts/evaluation/metrics.json", "reports/verdict.json")


def start(root: Path) -> subprocess.Popen[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MLFLOW"))}
    argv = [sys.executable, "-m", "ops", "run", "--profile", "tiny", "--force", "--runner", "docker"]
    return subprocess.Popen(argv, cwd=root, env={**env, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def made_here(workspace: Path, directory: Path) -> Path:
    """The same graph with the same parameters, by `dvc repro` in this environment and from nothing."""
    shutil.copytree(workspace, directory, symlinks=True,
                    ignore=shutil.ignore_patterns("artifacts", "reports", "dvc.lock"))
    done = dvc_door.run("repro", "--quiet", "--no-run-cache", "gate", directory=directory)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return full_checkout(tmp_path_factory.mktemp("clone") / "evenvoice")


def labels_of(engine: Engine, image: str) -> dict[str, str]:
    found = engine.client.inspect(image)
    assert found is not None, f"{image} is on this engine"
    labels: dict[str, str] = found["Config"]["Labels"]
    return labels


def test_containers_give_the_same_figures_as_processes(root: Path, docker_engine: Engine, stage_image: Image,
                                                       tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = start(root)
    output, _ = process.communicate()
    assert process.returncode == 0, output[-4000:]
    [run] = (root / ".evenvoice" / "runs").iterdir()
    by_docker = run / "workspace"
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # `python` of dvc.yaml
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    by_process = made_here(by_docker, tmp_path / "here")
    for name in SAME:
        assert (by_docker / name).read_bytes() == (by_process / name).read_bytes()
    recorded = json.loads((by_docker / "run.json").read_text(encoding="utf-8"))["image_digest"]
    # by content: another test may have built the tag anew in the meantime
    assert labels_of(docker_engine, recorded)["io.evenvoice.code"] == stage_image.labels["io.evenvoice.code"]
    assert containers_of(root) == []


def test_a_stopped_run_leaves_no_container(root: Path, stage_image: Image) -> None:
    """TERM reaches Airflow's real task process here, which calls on_kill as it does on a cancel in its interface."""
    process = start(root)
    while process.poll() is None and not any("-ingest-" in found.name for found in containers_of(root)):
        time.sleep(0.2)

    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate()

    assert process.returncode == 128 + signal.SIGTERM, output[-2000:]
    assert "`make run` goes on from what is finished" in output
    assert containers_of(root) == []
