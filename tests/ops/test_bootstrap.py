"""The environment that `make` makes: of which Python, where, and when anew."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ops.bootstrap import SUPPORTED, is_installed, running, version_of
from ops.pythons import interpreter
from tests.builders.users import as_nobody, open_to_nobody, python_for_nobody

ROOT = Path(__file__).resolve().parents[2]


def copy_of(root: Path) -> Path:
    """What bootstrap reads."""
    for name in ("ops/bootstrap.py", "locks/run.txt"):
        (root / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, root / name)
    return root


def bootstrap(python: str, root: Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "ops/bootstrap.py", "run"], cwd=root, capture_output=True, text=True,  # type: ignore[call-overload, no-any-return]
                          check=False, **options)


def test_another_python_is_refused_with_those_that_will_do(tmp_path: Path) -> None:
    other = next(filter(None, map(interpreter, ("3.8", "3.9", "3.10", "3.15", "3.16"))), None)
    if other is None:
        pytest.skip("this machine has no Python that is not supported")

    done = bootstrap(other, copy_of(tmp_path))

    assert done.returncode == 1
    assert done.stderr.startswith("Python must be one of 3.11, 3.12, 3.13, 3.14, got 3.")
    assert "make PYTHON=/path/to/python3.12" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_checkout_that_may_only_be_read_is_refused_with_the_way_out(tmp_path: Path) -> None:
    root = copy_of(tmp_path / "read only")
    python = python_for_nobody()
    open_to_nobody(root)
    root.chmod(0o555)

    done = bootstrap(python, root, **as_nobody())

    assert done.returncode == 1
    assert done.stderr == (f"{root} must be writable, since .venv, .evenvoice and reports are made in it, got a folder "
                           "that you may only read instead. Clone or unpack it where you may write.\n")


def test_an_environment_of_another_python_is_made_anew_with_a_word(tmp_path: Path) -> None:
    other = next((found for python in SUPPORTED if python != running() and (found := interpreter(python))), None)
    if other is None:
        pytest.skip("this machine has one supported Python")
    venv = tmp_path / "venv"
    subprocess.run([other, "-m", "venv", "--without-pip", venv], check=True)
    held = version_of(venv / "bin" / "python")
    call = [sys.executable, "-c", "import sys; from pathlib import Path; from ops.bootstrap import _make_venv; "
            "_make_venv(Path(sys.argv[1]))", venv]

    first, second = (subprocess.run(call, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
                     for _ in range(2))

    assert first.endswith(f" has Python {held}; it is made anew with {running()}\n")
    assert version_of(venv / "bin" / "python") == running()
    assert second == ""


@pytest.mark.parametrize(("ends_with", "kept"), [(0, True), (1, False)])
def test_make_keeps_the_python_of_an_environment_that_works(ends_with: int, kept: bool, tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\nexit {ends_with}\n", encoding="utf-8")
    python.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PYTHON"))}

    shown = subprocess.run(["make", "-n", "doctor"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)

    assert shown.stdout.startswith(".venv/bin/python ops/bootstrap.py run\n") is kept
    assert "ops/bootstrap.py run\n" in shown.stdout


def test_an_environment_made_for_another_python_does_not_count_as_installed(tmp_path: Path) -> None:
    lock, stamp = tmp_path / "run.txt", tmp_path / ".run-lock"
    lock.write_text("numpy==2.4.6\n", encoding="utf-8")
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    found = {}
    for stamped in (f"{digest} {running()}", f"{digest} 3.10", f"{'0' * 64} {running()}"):
        stamp.write_text(stamped, encoding="utf-8")
        found[stamped] = is_installed(lock, tmp_path)

    assert list(found.values()) == [True, False, False]


def test_a_shim_that_refuses_to_run_is_no_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    assert interpreter("3.99") is None
    assert version_of(Path(interpreter(running()) or "")) == running()
