"""`make doctor`: what this machine lacks, and what to do about it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from dags.checkout import archived_commit, is_clone
from dags.runs import state_of
from evenvoice.code_digest import tree_digest
from evenvoice.dvc_lock import disagreements, entries
from evenvoice.errors import ArtifactError, EvenvoiceError, PreflightError
from ops.bootstrap import SUPPORTED, is_installed, running
from ops.environment import AIRFLOW_PORT, MLFLOW_PORT, environment

DISK_GB = 5.0
MEMORY_GB = 4.0
PACKAGES = ("airflow", "dvc", "mlflow", "torch", "pyarrow", "soundfile", "soxr", "sentencepiece", "sklearn",
            "matplotlib", "espeakng_loader", "meeteval")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    found: str
    remedy: str = ""
    """What to do; empty when all is well."""
    needed: bool = True
    """Whether `make run` cannot work without it."""


def examine(root: Path, console: Console) -> int:
    """Print every finding; 1 when `make run` cannot work here."""
    findings = [finding for check in CHECKS for finding in check(root)]
    for finding in findings:
        state = "[green]ok     [/]" if not finding.remedy else "[bold red]missing[/]" if finding.needed \
            else "[yellow]note   [/]"
        console.print(f"{state}  {finding.name:<16} {finding.found}", highlight=False)
        if finding.remedy:
            console.print(f"         {'':<16} {finding.remedy}", highlight=False, markup=False)
    return int(any(finding.remedy and finding.needed for finding in findings))


def _python(_root: Path) -> list[Finding]:
    right = running() in SUPPORTED
    return [Finding("Python", f"{sys.version.split()[0]} in {sys.prefix}",
                    "" if right else "Name another one: make PYTHON=/path/to/python3.11 run")]


def code_origin(root: Path) -> list[Finding]:
    """Where the code is from: a clone, for which git has to be there, or an archive."""
    if not is_clone(root):
        return [Finding("code", f"an archive without git, of commit {archived_commit(root)}")]
    git = shutil.which("git")
    return [Finding("code", f"a clone, {git or 'and no git on PATH'}", "" if git else "Install git.")]


def _lock(root: Path) -> list[Finding]:
    same = is_installed(root / "locks" / "run.txt", Path(sys.prefix))
    return [Finding("locks/run.txt", "installed" if same else "not what is installed",
                    "" if same else "`make run` installs it.", needed=False)]


def _packages(_root: Path) -> list[Finding]:
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    return [Finding("packages", f"no {', '.join(absent)}" if absent else "all there",
                    "Remove .venv and run `make run` again." if absent else "")]


def _disk(root: Path) -> list[Finding]:
    free = shutil.disk_usage(root).free / 1e9
    return [Finding("disk", f"{free:.0f} GB free", "" if free >= DISK_GB else f"Free at least {DISK_GB:g} GB.")]


def _memory(_root: Path) -> list[Finding]:
    import psutil  # type: ignore[import-untyped]
    free = psutil.virtual_memory().available / 1e9
    return [Finding("memory", f"{free:.1f} GB available", "" if free >= MEMORY_GB else
                    f"Training needs about {MEMORY_GB:g} GB; end other programs.", needed=False)]


def _cores(_root: Path) -> list[Finding]:
    cores = len(os.sched_getaffinity(0))
    return [Finding("cores", str(cores), "" if cores > 1 else "One core works, but takes about twice as long.",
                    needed=False)]


def _writable(root: Path) -> list[Finding]:
    places = [root, state_of(root) if state_of(root).exists() else root]
    locked = [str(place) for place in places if not os.access(place, os.W_OK)]
    return [Finding("writable", ", ".join(locked) or str(root), "Make it writable for you, or clone elsewhere."
                    if locked else "")]


def _ports(_root: Path) -> list[Finding]:
    return [_port(port, setting) for port, setting in ((AIRFLOW_PORT, "AIRFLOW_PORT"), (MLFLOW_PORT, "MLFLOW_PORT"))]


def _port(port: int, setting: str) -> Finding:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        taken = probe.connect_ex(("127.0.0.1", port)) == 0
    return Finding(f"port {port}", "answers already" if taken else "free",
                   f"If that is not `make up`, choose another: make up {setting}={port + 1000}" if taken else "",
                   needed=False)


def _docker(root: Path) -> list[Finding]:
    """What RUNNER=docker needs beside; `make run` alone does without."""
    from dags.runners.docker import CODE_LABEL, DEFAULT_IMAGE, IMAGE
    from dags.runners.engine import EngineAway, absent, address, connected
    name = os.environ.get(IMAGE) or DEFAULT_IMAGE
    try:
        with connected() as engine:
            same = engine.image(name).labels.get(CODE_LABEL) == tree_digest(root)
    except EngineAway as reason:
        return [Finding("Docker", f"no answer from {address()}", absent(reason).action, needed=False)]
    except PreflightError as error:
        return [Finding("Docker", f"{error.name}: {error.value}", error.action, needed=False)]
    return [Finding("Docker", f"{name}, {'this code' if same else 'other code'}",
                    "" if same else "Run `make images`.", needed=False)]


def registry_place(root: Path) -> list[Finding]:
    """Whether MLflow's database says of its files that they are where the registry is now."""
    from evenvoice.tracking.location import Location
    from evenvoice.tracking.relocate import COMMAND, stated_elsewhere
    try:
        location = Location.from_environment(environment(root))
        origin = stated_elsewhere(location)
    except EvenvoiceError as error:
        return [Finding("registry", f"{error.name}: {error.value}", error.action)]
    if origin is not None:
        return [Finding("registry", f"{location.database} says that its files are in {origin}",
                        f"It was moved or copied: run {COMMAND}.")]
    if location.database is None:
        return [Finding("registry", "at a server, which knows where its files are")]
    return [Finding("registry", str(location.database) if location.database.exists() else "none yet")]


def recorded_runs(root: Path) -> list[Finding]:
    """Runs that were recorded although their stages did not read what the stages before them made.

    Of a run that failed or goes on, some stages are still those of the run before it; nothing was concluded from that.
    """
    concluded = [path.parents[1] for path in sorted((state_of(root) / "runs").glob("*/answers/record.json"))]
    return [finding for run in concluded for finding in _agreement(run)] or [
        Finding("runs", f"{len(concluded)} recorded, each about what it made")]


def _agreement(run: Path) -> list[Finding]:
    try:
        wrong = disagreements(entries(run / "workspace" / "dvc.lock"))
    except ArtifactError as error:
        return [Finding("run", f"{run.name}: {error}", f"Remove {run}.", needed=False)]
    if not wrong:
        return []
    return [Finding("run", f"{run.name}: {len(wrong)} inputs are not what was made, such as {wrong[0]}",
                    "Its verdict is about something else. Take back the model it registered, and run again.",
                    needed=False)]


CHECKS: tuple[Callable[[Path], list[Finding]], ...] = (
    _python, code_origin, _packages, _lock, _disk, _memory, _cores, _writable, _ports, _docker, registry_place,
    recorded_runs)
