"""The engine is restarted under a running stage: on an engine of its own, so that nobody else's containers suffer."""

from __future__ import annotations

import gc
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dags.runners.docker import DockerRunner
from dags.runners.job import JobError
from ops.images.build import Image
from tests.builders.engine import Engine
from tests.builders.miniature import containers_of, plain_job, prepared_run, wait_until

# Docker's client leaves the sockets open by which it did not reach the engine
pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::ResourceWarning"),
              pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]
SPEAKS_INTO_ITS_LOG = """\
import sys, time
from pathlib import Path
log = open(sys.argv[-1], 'a', buffering=1)
log.write('started\\n')
Path('started').touch()
while not Path('go').exists(): time.sleep(0.05)
log.write('done\\n')
"""


@dataclass
class OwnEngine:
    """A second dockerd, with its own folders and without a network."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/engine.sock"

    def start(self) -> None:
        argv = ["dockerd", "--host", self.host, "--data-root", str(self.folder / "data"), "--exec-root",
                str(self.folder / "exec"), "--pidfile", str(self.folder / "engine.pid"), "--bridge", "none",
                "--iptables=false", "--ip-masq=false"]
        with (self.folder / "engine.log").open("ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while subprocess.run(["docker", "-H", self.host, "info"], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture(scope="module")
def own_engine(docker_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnEngine]:
    if os.geteuid() != 0:
        pytest.skip("only root can start an engine")
    engine = OwnEngine(tmp_path_factory.mktemp("engine"))
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture(autouse=True)
def chosen(own_engine: OwnEngine, image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DOCKER_HOST", own_engine.host)
    yield
    gc.collect()  # the sockets below, while their warnings are ignored


@pytest.fixture(scope="module")
def image(own_engine: OwnEngine, docker_engine: Engine, stage_image: Image) -> str:
    """The smallest thing with Python in it that the other engine has: the base of the stage's image."""
    with subprocess.Popen(["docker", "-H", docker_engine.host, "save", "evenvoice/base:bookworm"],
                          stdout=subprocess.PIPE) as saved:
        subprocess.run(["docker", "-H", own_engine.host, "load"], stdin=saved.stdout, check=True, capture_output=True)
    named = "FROM evenvoice/base:bookworm\nRUN ln -sf /usr/bin/python3 /usr/local/bin/python\n"
    built = subprocess.run(["docker", "-H", own_engine.host, "build", "--quiet", "--network", "none", "-"], input=named,
                           env={**os.environ, "DOCKER_BUILDKIT": "0"}, check=True, capture_output=True, text=True)
    return built.stdout.strip()


def test_a_stage_whose_engine_is_restarted_is_tried_again(own_engine: OwnEngine, image: str, tmp_path: Path) -> None:
    work = plain_job(prepared_run(tmp_path, image=image), SPEAKS_INTO_ITS_LOG)
    restart = threading.Thread(target=lambda: (wait_until(work.directory / "started"), own_engine.stop(),
                                               own_engine.start()))

    restart.start()
    with pytest.raises(JobError) as caught:
        DockerRunner().run(work, lambda _line: None)
    restart.join()
    (work.directory / "go").touch()
    lines: list[str] = []
    DockerRunner().run(work, lines.append)

    assert caught.value.transient
    assert "must keep running while train does, got a restart, or somebody's `docker stop` instead" in str(caught.value)
    assert lines == ["started", "done"]
    assert containers_of(tmp_path) == []


def test_a_task_that_begins_while_the_engine_is_away_waits_for_it(own_engine: OwnEngine, image: str,
                                                                  tmp_path: Path) -> None:
    work = plain_job(prepared_run(tmp_path, image=image), SPEAKS_INTO_ITS_LOG)
    (work.directory / "go").touch()
    own_engine.stop()
    starter = threading.Timer(1, own_engine.start)

    starter.start()
    lines: list[str] = []
    DockerRunner().run(work, lines.append)
    starter.join()

    assert lines == ["started", "done"]
    assert containers_of(tmp_path) == []
