"""`make lock`: resolve the locks of checkout and images anew from pyproject.toml."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from evenvoice.errors import PreflightError
from evenvoice.storage import write_text

RUN = ("training", "synthetic", "stage", "control", "images")
DEV = (*RUN, "export", "dev")
LOCKS = {"run": RUN, "dev": DEV, "bench": (*DEV, "bench"), "stage": ("training", "synthetic", "stage"),
         "airflow": ("control",)}
"""run: everything on one machine; dev: and its tests; bench: and its rivals; stage, airflow: what the images hold."""
OBJECT_STORE = "docker/objectstore/requirements.in"
HEADER = "# Made by `make lock` from pyproject.toml. No index addresses: any index that has these versions will do.\n"


def make_locks(root: Path) -> int:
    """Write every lock; each has the versions of run, so images and checkout agree.

    Raises:
        PreflightError: uv found no versions that fit together.
    """
    pinned: tuple[str, ...] = ()
    for name, extras in LOCKS.items():
        path = root / "locks" / f"{name}.txt"
        write_text(path, HEADER + without_build_labels(_resolve(root, extras, pinned)))
        pinned = pinned or ("--constraint", str(path))
    # a server with old needs of its own, which never shares an environment with the rest
    store = _resolve(root, (), (), source=OBJECT_STORE)
    write_text(root / "locks" / "objectstore.txt", HEADER.replace("pyproject.toml", OBJECT_STORE) + store)
    return 0


def without_build_labels(text: str) -> str:
    """``torch==2.13.0+cpu`` becomes ``torch==2.13.0``: a label names one builder's wheel, which no index may have."""
    return re.sub(r"(?m)^(\S+==[^+\s;]+)\+\S+", r"\1", text)


def _resolve(root: Path, extras: tuple[str, ...], pinned: tuple[str, ...], source: str = "pyproject.toml") -> str:
    chosen = [argument for extra in extras for argument in ("--extra", extra)]
    wheels = [f"--find-links={place}" for place in os.environ.get("PIP_FIND_LINKS", "").split()]
    argv = [str(Path(sys.executable).parent / "uv"), "pip", "compile", "--quiet", "--python-version", "3.11",
            "--no-header", "--no-annotate", *chosen, *wheels, *pinned, source]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise PreflightError(name="uv pip compile", rule="find versions that fit", value=done.stderr.strip()[-800:],
                             action="Loosen what it names in pyproject.toml.")
    return done.stdout
