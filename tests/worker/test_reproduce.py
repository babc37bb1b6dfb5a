"""What runs a stage: once at a time, in its time, ended when asked, with an honest status. On the real DVC."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n", encoding="utf-8")
    return tmp_path


def stage(workspace: Path, code: str) -> None:
    (workspace / "train.py").write_text(code, encoding="utf-8")
    stages = {"train": {"cmd": f"{sys.executable} train.py", "deps": ["train.py"], "outs": ["model"]}}
    (workspace / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}), encoding="utf-8")


def start(workspace: Path, *, minutes: float = 1) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1", "PYTHONUNBUFFERED": "1",
           "DVC_SITE_CACHE_DIR": str(workspace / ".dvc" / "site")}
    argv = [sys.executable, "-m", "worker", "train", "--minutes", str(minutes)]
    return subprocess.Popen(argv, cwd=workspace, env=env,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def locked(workspace: Path) -> bool:
    lock = workspace / "dvc.lock"
    return lock.exists() and "model" in lock.read_text(encoding="utf-8")


def wait_until(happened: Path) -> None:
    deadline = time.monotonic() + 30
    while not happened.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert happened.exists()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"


def test_a_stage_that_ends_well_is_recorded(workspace: Path) -> None:
    stage(workspace, "from pathlib import Path; Path('model').write_text('weights')")

    status, _ = finish(start(workspace))

    assert status == 0
    assert locked(workspace)


@pytest.mark.parametrize(("ending", "expected"), [("raise SystemExit(3)", 3), ("raise SystemExit(75)", 75),
                                                  ("import os; os.kill(os.getpid(), 9)", 137)])
def test_the_status_is_the_stages_own_and_not_that_of_dvc(workspace: Path, ending: str, expected: int) -> None:
    stage(workspace, ending)

    status, _ = finish(start(workspace))

    assert status == expected
    assert not locked(workspace)


def test_a_stage_beyond_its_time_is_stopped_and_told_what_to_raise(workspace: Path) -> None:
    stage(workspace, "import time; time.sleep(60)")

    status, output = finish(start(workspace, minutes=0.08))

    assert status == 124
    assert "train must end within 0.08 minutes. Raise the minutes of its size in params.yaml" in output


def test_a_stage_that_ignores_the_request_to_end_is_killed_and_never_called_done(workspace: Path) -> None:
    stage(workspace, "import os, signal, time\nfrom pathlib import Path\n"
                     "signal.signal(signal.SIGTERM, lambda *_: None)\n"
                     "Path('pid').write_text(str(os.getpid()))\nPath('started').touch()\n"
                     "for _ in range(600): time.sleep(0.1)\nPath('model').write_text('weights')")
    process = start(workspace)
    wait_until(workspace / "started")

    process.send_signal(signal.SIGTERM)
    status, _ = finish(process)

    assert status == 143
    assert not locked(workspace)
    assert not alive(int((workspace / "pid").read_text(encoding="utf-8")))


def test_the_second_worker_waits_for_the_first_and_finds_nothing_to_do(workspace: Path) -> None:
    stage(workspace, "import time\nfrom pathlib import Path\n"
                     "with Path('starts').open('a') as log: log.write('started\\n')\n"
                     "time.sleep(1)\nPath('model').write_text('weights')")

    statuses = [finish(process)[0] for process in [start(workspace), start(workspace)]]

    assert statuses == [0, 0]
    assert (workspace / "starts").read_text(encoding="utf-8") == "started\n"


def test_a_stage_whose_worker_was_killed_is_waited_for_not_started_again(workspace: Path) -> None:
    stage(workspace, "import time\nfrom pathlib import Path\n"
                     "with Path('starts').open('a') as log: log.write('started\\n')\n"
                     "Path('started').touch()\ntime.sleep(2)\nPath('model').write_text('weights')")
    first = start(workspace)
    wait_until(workspace / "started")

    first.kill()
    finish(first)
    status, _ = finish(start(workspace))

    assert status == 0
    assert (workspace / "starts").read_text(encoding="utf-8") == "started\n"
    assert locked(workspace)


def test_a_child_that_outlives_its_stage_ends_with_it(workspace: Path) -> None:
    stage(workspace, "import subprocess, sys\nfrom pathlib import Path\n"
                     "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
                     "Path('pid').write_text(str(child.pid))\nPath('model').write_text('weights')")

    status, _ = finish(start(workspace))

    assert status == 0
    assert not alive(int((workspace / "pid").read_text(encoding="utf-8")))


def test_a_stage_ends_with_the_process_that_asked_for_it(workspace: Path) -> None:
    stage(workspace, "import os, time\nfrom pathlib import Path\n"
                     "Path('pid').write_text(str(os.getpid()))\nPath('started').touch()\ntime.sleep(60)")
    worker = [sys.executable, "-m", "worker", "train", "--minutes", "1"]
    asking = subprocess.Popen([sys.executable, "-c", f"import subprocess; subprocess.run({worker!r})"], cwd=workspace,
                              env={**os.environ, "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"})
    wait_until(workspace / "started")

    asking.kill()
    asking.wait()

    deadline = time.monotonic() + 30
    while alive(int((workspace / "pid").read_text(encoding="utf-8"))):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not locked(workspace)
