"""The folder that BuildKit builds an image from: code as git lists it, the lock, and wheels if there are any.

    context/code/     what becomes /opt/evenvoice
    context/locks/    the lock, and which build of torch is meant
    context/trim.py   what takes tests and headers out of the packages
    context/wheels/   hard links to the wheels that this lock needs; empty where packages come from an index

A folder of its own, rather than the checkout with ignore rules, can hold neither secrets nor results by mistake.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from dags.runs import state_of
from evenvoice.code_digest import STAGE_CODE, code_files
from evenvoice.errors import ParamsError, PreflightError
from evenvoice.storage import write_text

SETTINGS = (".dvc/config", ".dvcignore", "dvc.yaml", "params.yaml", "profiles")


@dataclass(frozen=True)
class ImageKind:
    """One image: its name is that of its Dockerfile and its lock."""

    name: str
    title: str
    code: tuple[str, ...]
    """What the label io.evenvoice.code covers."""
    settings: tuple[str, ...] = SETTINGS


KINDS = {
    "stage": ImageKind("stage", "evenvoice: where a stage runs", STAGE_CODE),
    "airflow": ImageKind("airflow", "evenvoice: where stages are started and recorded", (*STAGE_CODE, "dags", "ops"),
                         (*SETTINGS, "locks")),
}
ACCELERATORS = ("cpu", "cuda")


def torch_requirement(lock: str, accelerator: str) -> str:
    """The build of torch that is meant: the one labelled cpu, or the one without label, which brings CUDA on Linux.

    Raises:
        ParamsError: ``accelerator`` is not one of :data:`ACCELERATORS`.
    """
    if accelerator not in ACCELERATORS:
        raise ParamsError(name="ACCELERATOR", rule=f"be one of {', '.join(ACCELERATORS)}", value=accelerator,
                          action="Choose one of these.")
    version = pinned(lock).get("torch")
    if version is None:
        return ""
    return f"torch=={version}+cpu\n" if accelerator == "cpu" else f"torch==={version}\n"


def pinned(lock: str) -> dict[str, str]:
    """Canonical name -> version of every package in the text of a lock."""
    return {canonicalize_name(name): version for name, version in re.findall(r"(?m)^([\w.-]+)==(\S+)", lock)}


def missing_wheels(wheelhouse: Path, lock: str, accelerator: str = "cpu") -> list[str]:
    """``name==version`` of what ``lock`` names and ``wheelhouse`` lacks."""
    there = {(name, version) for name, version, _ in _wheels(wheelhouse)}
    needed = pinned(lock + torch_requirement(lock, accelerator).replace("===", "=="))
    return [f"{name}=={version}" for name, version in sorted(needed.items()) if (name, version) not in there]


def prepare(root: Path, kind: ImageKind, *, wheelhouse: Path | None, accelerator: str) -> Path:
    """Make the folder anew and return it.

    Raises:
        ParamsError: no such accelerator.
        PreflightError: the wheelhouse lacks a wheel.
        FileNotFoundError: a part of the code is not there.
    """
    context = state_of(root) / "images" / kind.name / "context"
    lock = (root / "locks" / f"{kind.name}.txt").read_text(encoding="utf-8")
    write_text(context / "locks" / f"{kind.name}.txt", lock)
    write_text(context / "locks" / "accelerator.txt", torch_requirement(lock, accelerator))
    shutil.copy2(root / "docker" / "trim.py", context / "trim.py")
    shutil.rmtree(context / "code", ignore_errors=True)
    for name in code_files(root, (*kind.code, *kind.settings)):
        target = context / "code" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target)
        target.chmod(0o644)
    _link_wheels(context / "wheels", _needed(root, lock, wheelhouse, accelerator) if wheelhouse else [])
    return context


def _needed(root: Path, lock: str, wheelhouse: Path, accelerator: str) -> list[Path]:
    """Wheels of this lock, and those that no lock of ours names: what the CUDA build of torch asks for."""
    if absent := missing_wheels(wheelhouse, lock, accelerator):
        raise PreflightError(name=str(wheelhouse), rule="hold a wheel for each line of the lock",
                             value=f"no {', '.join(absent[:5])}{f' and {len(absent) - 5} more' * (len(absent) > 5)}",
                             action=f"Make it: make wheelhouse ACCELERATOR={accelerator}")
    ours = pinned(lock + torch_requirement(lock, accelerator).replace("===", "=="))
    others = pinned((root / "locks" / "run.txt").read_text(encoding="utf-8"))
    return [path for name, version, path in _wheels(wheelhouse)
            if (ours.get(name) == version if name in ours else name not in others)]


def _link_wheels(folder: Path, wheels: Iterable[Path]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for wheel in wheels:
        try:
            os.link(wheel, folder / wheel.name)
        except OSError:  # another file system
            shutil.copy2(wheel, folder / wheel.name)


def _wheels(wheelhouse: Path) -> list[tuple[str, str, Path]]:
    found = []
    for path in sorted(wheelhouse.glob("*.whl")):
        try:
            name, version, _, _ = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        found.append((str(name), str(version), path))
    return found


def labels(kind: ImageKind, *, commit: str, dirty: bool, code: str, lock: str, accelerator: str) -> Mapping[str, str]:
    """What the image says about itself."""
    return {
        "org.opencontainers.image.title": kind.title,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.revision": commit,
        "io.evenvoice.code": code,
        "io.evenvoice.lock": lock,
        "io.evenvoice.dirty": str(dirty).lower(),
        "io.evenvoice.accelerator": accelerator,
    }
