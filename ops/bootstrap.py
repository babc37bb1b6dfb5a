"""Makes .venv from a committed lock; runs on a bare Python, so it uses the standard library only.

    python3 ops/bootstrap.py run|dev|bench [FOLDER]

.venv, or FOLDER in its place, gets the Python that runs this. uv installs in seconds what takes pip minutes; where uv
cannot be had, pip does it. A stamp in the folder remembers the lock's hash and the Python, so the next call ends at
once unless one of them changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
UV = "uv==0.13.9"
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
"""The locks hold for these."""
PURPOSES = ("run", "dev", "bench")


def main() -> None:
    """Make or update the environment."""
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in PURPOSES:
        _give_up(f"usage: {sys.argv[0]} {'|'.join(PURPOSES)} [FOLDER]")
    _demand_supported()
    _demand_writable()
    lock = ROOT / "locks" / f"{sys.argv[1]}.txt"
    venv = Path(sys.argv[2]).absolute() if len(sys.argv) == 3 else ROOT / ".venv"
    if not is_installed(lock, venv):
        _make(lock, venv)


def running() -> str:
    """The Python of this process, as ``3.12``."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def version_of(python: Path) -> str:
    """What the interpreter ``python`` is, as ``3.12``; empty where there is none that works."""
    argv = [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.run(argv, check=False, capture_output=True, text=True).stdout.strip()  # noqa: S603
    except OSError:
        return ""


def is_installed(lock: Path, venv: Path) -> bool:
    """Whether ``venv`` was made from ``lock`` as it is now, for the Python of this process."""
    stamp = _stamp(lock, venv)
    return stamp.exists() and stamp.read_text(encoding="utf-8") == _stamped(lock)


def _stamp(lock: Path, venv: Path) -> Path:
    return venv / f".{lock.stem}-lock"


def _stamped(lock: Path) -> str:
    return f"{hashlib.sha256(lock.read_bytes()).hexdigest()} {running()}"


def _demand_supported() -> None:
    if running() not in SUPPORTED:
        _give_up(f"Python must be one of {', '.join(SUPPORTED)}, got {sys.version.split()[0]} ({sys.executable}) "
                 "instead. Install one of them, or name it: make PYTHON=/path/to/python3.12 ...")


def _demand_writable() -> None:
    if not os.access(ROOT, os.W_OK):
        _give_up(f"{ROOT} must be writable, since .venv, .evenvoice and reports are made in it, got a folder that you "
                 "may only read instead. Clone or unpack it where you may write.")


def _make(lock: Path, venv: Path) -> None:
    began = time.monotonic()
    shown = os.path.relpath(venv, ROOT)
    print(f"installing {lock.relative_to(ROOT)} into {shown}, with Python {running()}", flush=True)
    _make_venv(venv)
    _install(venv, ["--requirement", str(lock)])
    _install(venv, ["--no-deps", "--editable", str(ROOT)])
    _stamp(lock, venv).write_text(_stamped(lock), encoding="utf-8")
    print(f"installed in {time.monotonic() - began:.0f} s", flush=True)


def _make_venv(venv: Path) -> None:
    """Keep what is there when it works and has the Python of this process."""
    held = version_of(venv / "bin" / "python")
    if held == running():
        return
    if held:
        print(f"{os.path.relpath(venv, ROOT)} has Python {held}; it is made anew with {running()}", flush=True)
    if not _run([sys.executable, "-m", "venv", "--clear", str(venv)]):
        _give_up("python3 -m venv failed (its words are above). "
                 f"On Debian and Ubuntu: apt install python{running()}-venv")


def _install(venv: Path, wanted: list[str]) -> None:
    python = str(venv / "bin" / "python")
    wheels = [f"--find-links={place}" for place in os.environ.get("PIP_FIND_LINKS", "").split()]
    uv = _uv(venv)
    if uv:
        command = [uv, "pip", "install", "--quiet", "--python", python, *wheels, *wanted]
        if _run(command, env=_uv_environment()):
            return
        print("uv could not install it; trying pip", file=sys.stderr, flush=True)
    if not _run([python, "-m", "pip", "install", "--quiet", *wanted]):
        _give_up("the packages could not be installed (pip's words are above). Is a package index reachable? "
                 "PIP_INDEX_URL names another one. Is a C++ compiler there, which meeteval needs? On Debian and "
                 "Ubuntu: apt install g++")


def _uv(venv: Path) -> str | None:
    """uv inside ``venv``, installed by pip when it is not there; None where that fails."""
    path = venv / "bin" / "uv"
    if not path.exists():
        _run([str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", UV])
    return str(path) if path.exists() else shutil.which("uv")


def _uv_environment() -> dict[str, str]:
    """uv reads no pip settings; these are the ones that decide whether it reaches an index."""
    env = dict(os.environ)
    for ours, theirs in (("UV_INDEX_URL", "PIP_INDEX_URL"), ("SSL_CERT_FILE", "PIP_CERT")):
        if theirs in os.environ:
            env.setdefault(ours, os.environ[theirs])
    if "PIP_EXTRA_INDEX_URL" in os.environ:
        env.setdefault("UV_EXTRA_INDEX_URL", os.environ["PIP_EXTRA_INDEX_URL"])
    return env


def _run(command: list[str], env: dict[str, str] | None = None) -> bool:
    return subprocess.run(command, check=False, env=env).returncode == 0  # noqa: S603


def _give_up(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
