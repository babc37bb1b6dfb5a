"""Runs tests on every supported Python that this machine has, and says which it has not.

    python3 -m ops.pythons PYTEST-ARGUMENTS

The one in .venv is left out: the other tests run on it. Each of the others gets an environment from locks/dev.txt in
.evenvoice/pythons. Standard library only, as bootstrap.py beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ops.bootstrap import ROOT, SUPPORTED, version_of

FOLDER = Path(".evenvoice") / "pythons"


def main() -> int:
    """Test each in turn; 1 when the tests fail on one of them."""
    results = {python: _tested(python, sys.argv[1:]) for python in SUPPORTED}
    for python, (result, _) in results.items():
        print(f"Python {python}  {result}")
    return int(not all(passed for _, passed in results.values()))


def _tested(python: str, arguments: Sequence[str]) -> tuple[str, bool]:
    """What became of it, in words, and whether that is well."""
    if python == version_of(ROOT / ".venv" / "bin" / "python"):
        return "not tested here: it is in .venv, on which all other tests run", True
    found = interpreter(python)
    if found is None:
        return f"not tested: this machine has no python{python}", True
    venv = ROOT / FOLDER / python
    print(f"\nPython {python}: {found}", flush=True)
    if _run([found, "ops/bootstrap.py", "dev", str(venv)]):
        return "not tested: locks/dev.txt could not be installed", False
    began = time.monotonic()
    failed = _run([str(venv / "bin" / "python"), "-m", "pytest", "-p", "no:cacheprovider", *arguments])
    return f"{'failed' if failed else 'passed'} in {time.monotonic() - began:.0f} s", not failed


def interpreter(python: str) -> str | None:
    """An interpreter of that version, on PATH or among those of pyenv.

    Each is asked: a shim of pyenv has the name, and refuses to run unless a person chose that version.
    """
    return next((str(path) for path in _candidates(python) if version_of(path) == python), None)


def _candidates(python: str) -> Iterator[Path]:
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        yield Path(folder) / f"python{python}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{python}.*/bin/python{python}"))


def _run(argv: Sequence[str]) -> int:
    return subprocess.run(argv, cwd=ROOT, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
