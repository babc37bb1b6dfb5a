"""Ending whole trees of processes, and no others."""

from __future__ import annotations

import subprocess
import sys
import time

from ops.processes import end_tree, started_at

SLEEP = "import time; time.sleep(60)"
FAMILY = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}], start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); {SLEEP}"


def start(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_child_in_a_session_of_its_own_ends_too() -> None:
    with start(FAMILY) as parent:
        child = int(first_line(parent))

        end_tree(parent.pid)

        assert parent.wait(5) == -15
        assert started_at(child) is None


def test_who_ignores_term_is_killed() -> None:
    with start(STUBBORN) as process:
        first_line(process)

        end_tree(process.pid, grace_s=0.3)

        assert process.wait(5) == -9


def test_others_are_left_alone() -> None:
    with start(SLEEP) as other, start(SLEEP) as process:
        end_tree(process.pid)

        assert other.poll() is None
        end_tree(other.pid)


def test_a_process_is_known_by_its_number_and_its_beginning() -> None:
    with start(SLEEP) as process:
        began = started_at(process.pid)
        assert began is not None
        assert abs(time.time() - began) < 30
        end_tree(process.pid)
        process.wait(5)

        assert started_at(process.pid) is None
