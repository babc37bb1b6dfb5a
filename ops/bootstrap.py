"""Makes .venv from a committed lock; runs on a bare Python 3.11, so it uses the standard library only.

    python3 ops/bootstrap.py run|dev|bench

uv installs in seconds what takes pip minutes; where uv cannot be had, pip does it. A stamp in .venv remembers
the lock's hash, so the next call ends at once unless the lock changed.
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
VENV = ROOT / ".venv"
UV = "uv==0.13.9"
NEEDED = (3, 11)


def main() -> None:
    """Make or update .venv."""
    if sys.argv[1:] not in (["run"], ["dev"], ["bench"]):
        _give_up(f"usage: {sys.argv[0]} run|dev|bench")
    lock = ROOT / "locks" / f"{sys.argv[1]}.txt"
    stamp = VENV / f".{lock.stem}-lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return
    if sys.version_info[:2] != NEEDED:
        _give_up(f"evenvoice needs Python 3.11, this is {sys.version.split()[0]} ({sys.executable}). "
                 "Install it, or name it: make PYTHON=/path/to/python3.11 ...")
    began = time.monotonic()
    print(f"installing {lock.relative_to(ROOT)} into .venv", flush=True)
    _make_venv()
    _install(["--requirement", str(lock)])
    _install(["--no-deps", "--editable", str(ROOT)])
    stamp.write_text(digest, encoding="utf-8")
    print(f"installed in {time.monotonic() - began:.0f} s", flush=True)


def _make_venv() -> None:
    python = VENV / "bin" / "python"
    if python.exists() and _run([str(python), "-c", "pass"]):
        return
    if not _run([sys.executable, "-m", "venv", "--clear", str(VENV)]):
        _give_up("python3 -m venv failed (its words are above). On Debian and Ubuntu: apt install python3.11-venv")


def _install(wanted: list[str]) -> None:
    python = str(VENV / "bin" / "python")
    wheels = [f"--find-links={place}" for place in os.environ.get("PIP_FIND_LINKS", "").split()]
    uv = _uv(python)
    if uv:
        command = [uv, "pip", "install", "--quiet", "--python", python, *wheels, *wanted]
        if _run(command, env=_uv_environment()):
            return
        print("uv could not install it; trying pip", file=sys.stderr, flush=True)
    if not _run([python, "-m", "pip", "install", "--quiet", *wanted]):
        _give_up("the packages could not be installed (pip's words are above). Is a package index reachable? "
                 "PIP_INDEX_URL names another one.")


def _uv(python: str) -> str | None:
    """uv inside .venv, installed by pip when it is not there; None where that fails."""
    path = VENV / "bin" / "uv"
    if not path.exists():
        _run([python, "-m", "pip", "install", "--quiet", UV])
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
