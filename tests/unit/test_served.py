"""A recogniser in a process of its own: it answers, or an error says why not and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from evenvoice.errors import TrackingError
from evenvoice.served import OverdueError, Served
from tests.builders.served import open_toy

ROOT = Path(__file__).resolve().parents[2]


def served(behaviour: str) -> Served:
    return Served(partial(open_toy, f"models:/{behaviour}/1"), name="the model toy")


def call(model: Served, method: str, *arguments: object, limit_s: float | None = 60.0) -> object:
    return model.call(method, *arguments, limit_s=limit_s, doing="answer", action="Ask another one.")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_ended(pids: list[int]) -> bool:
    """Whether none of them is left; the kernel takes its time."""
    for _ in range(600):
        if not any(map(is_alive, pids)):
            return True
        time.sleep(0.05)
    return False


def test_it_answers_call_after_call_from_its_own_process(capfd):
    with served("answers") as model:
        call(model, "load")
        assert call(model, "hear", ["a/b.wav", b"123"]) == ["a b.wav", "3"]
        pids = call(model, "pids")
        assert os.getpid() not in pids
    assert wait_until_ended(pids)
    assert capfd.readouterr().out == ""


def test_one_that_hangs_is_ended_with_all_that_it_started():
    with served("hangs") as model:
        pids = call(model, "pids")
        with pytest.raises(OverdueError):
            call(model, "hear", ["a.wav"], limit_s=0.2)
        assert wait_until_ended(pids)


@pytest.mark.parametrize(("behaviour", "says"), [
    ("raises", r"the model toy must answer, got ValueError: no such thing as a tone \(it said last: about to fail\)"),
    ("dies", r"the model toy must answer, got a process that was ended by SIGABRT \(it said last: out of memory")])
def test_what_it_said_last_is_quoted_when_it_fails(behaviour, says):
    with served(behaviour) as model, pytest.raises(TrackingError, match=f"{says}.* Ask another one"):
        call(model, "hear", ["a.wav"])


def test_it_ends_when_whoever_asked_is_killed(tmp_path):
    code = ("from tests.unit.test_served import *\nif __name__ == '__main__':\n    with served('hangs') as model:"
            "\n        print(*call(model, 'pids'), flush=True)\n        call(model, 'hear', ['a.wav'])\n")
    (tmp_path / "asks.py").write_text(code, encoding="utf-8")
    with subprocess.Popen([sys.executable, tmp_path / "asks.py"], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}) as asking:
        assert asking.stdout is not None
        pids = [int(pid) for pid in asking.stdout.readline().split()]
        assert len(pids) == 2
        asking.send_signal(signal.SIGKILL)
    assert wait_until_ended(pids)
