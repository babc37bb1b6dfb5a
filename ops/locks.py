"""`make lock`: resolve the locks of checkout and images anew from pyproject.toml."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from evenvoice.errors import PreflightError
from evenvoice.storage import write_text
from ops.bootstrap import SUPPORTED

IMAGE_PYTHON = "3.11"
"""What the images hold."""
RUN = ("training", "synthetic", "stage", "control", "images")
DEV = (*RUN, "export", "dev")
LOCKS: Mapping[str, tuple[tuple[str, ...], Sequence[str]]] = {
    "run": (RUN, SUPPORTED), "dev": (DEV, SUPPORTED), "bench": ((*DEV, "bench"), SUPPORTED),
    "stage": (("training", "synthetic", "stage"), (IMAGE_PYTHON,)), "airflow": (("control",), (IMAGE_PYTHON,))}
"""Name -> extras, and the Pythons it holds for.

run: everything on one machine; dev: and its tests; bench: and its rivals; stage, airflow: what the images hold."""
OBJECT_STORE = "docker/objectstore/requirements.in"
HEADER = "# Made by `make lock` from pyproject.toml. No index addresses: any index that has these versions will do.\n"
SOURCE_ONLY = ("antlr4-python3-runtime", "meeteval")
"""Published without a wheel: the one in plain Python, the other in Cython, for which it takes a C++ compiler. All else
must have wheels for each Python, or the lock is refused."""
CUDA = re.compile(r"(nvidia-|cuda-|triton==)")
"""They belong to one build of torch: the build for processors needs none, and those for CUDA bring their own."""


def make_locks(root: Path, keep: tuple[str, ...] = ()) -> int:
    """Write every lock; each has the versions of run, so images and checkout agree.

    Args:
        keep: Arguments of uv that hold versions where they are.

    Raises:
        PreflightError: uv found no versions that fit together.
    """
    pinned = keep
    for name, (extras, pythons) in LOCKS.items():
        path = root / "locks" / f"{name}.txt"
        write_text(path, HEADER + _resolved(root, extras, pythons, pinned))
        pinned = (*pinned, "--constraint", str(path)) if name == "run" else pinned
    # a server with old needs of its own, which never shares an environment with the rest
    store = _compile(root, IMAGE_PYTHON, OBJECT_STORE)
    write_text(root / "locks" / "objectstore.txt", HEADER.replace("pyproject.toml", OBJECT_STORE) + store)
    return 0


def without_build_labels(text: str) -> str:
    """``torch==2.13.0+cpu`` becomes ``torch==2.13.0``: a label names one builder's wheel, which no index may have."""
    return re.sub(r"(?m)^(\S+==[^+\s;]+)\+\S+", r"\1", text)


def merged(found: Mapping[str, str]) -> str:
    """One lock out of one for each Python: what they do not share gets a marker.

    Args:
        found: Python, as ``3.12`` -> text of its lock, a package per line.
    """
    lines = {python: [line for line in text.splitlines() if not CUDA.match(line)] for python, text in found.items()}
    pythons_of: dict[str, list[str]] = {}
    for python, packages in lines.items():
        for package in packages:
            pythons_of.setdefault(package, []).append(python)
    return "".join(f"{package}{_marker(pythons) if len(pythons) < len(found) else ''}\n"
                   for package, pythons in sorted(pythons_of.items(), key=_name))


def _name(item: tuple[str, Sequence[str]]) -> str:
    return item[0].partition("==")[0]


def _marker(pythons: Sequence[str]) -> str:
    return " ; " + " or ".join(f"python_version == '{python}'" for python in pythons)


def _resolved(root: Path, extras: tuple[str, ...], pythons: Sequence[str], pinned: tuple[str, ...]) -> str:
    chosen = [argument for extra in extras for argument in ("--extra", extra)]
    wheels_only = ("--only-binary", ":all:", *(part for name in SOURCE_ONLY for part in ("--no-binary", name)))
    found = {python: _compile(root, python, "pyproject.toml", *chosen, *wheels_only, *pinned) for python in pythons}
    return merged({python: without_build_labels(text) for python, text in found.items()})


def _compile(root: Path, python: str, source: str, *arguments: str) -> str:
    wheels = [f"--find-links={place}" for place in os.environ.get("PIP_FIND_LINKS", "").split()]
    argv = [str(Path(sys.executable).parent / "uv"), "pip", "compile", "--quiet", "--python-version", python,
            "--no-header", "--no-annotate", *arguments, *wheels, source]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise PreflightError(name="uv pip compile", rule=f"find versions that fit, for Python {python}",
                             value=done.stderr.strip()[-800:], action="Loosen what it names in pyproject.toml.")
    return done.stdout
