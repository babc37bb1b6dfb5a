"""The stages of dvc.yaml one after another in a folder of their own, for benchmarks that repeat whole runs over seeds.

Each stage is a process, as in a run, and several runs go side by side, each on one core. A run that was cut short goes
on with the stage it was in. A run may end before the end of the graph, and may begin with what another one has made.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dags import watched
from dags.dvc_graph import Graph, graph_of_run
from dags.pipelines import RECOGNISER
from evenvoice.errors import WorkspaceError
from evenvoice.params import models_in, overlay
from evenvoice.storage import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
DONE = "done"


def options_of_runs(described: str | None, folder: str, *, seeds: int) -> argparse.ArgumentParser:
    """What a benchmark of whole runs asks for: ``seeds`` by default, kept in ``.evenvoice/folder``."""
    parser = argparse.ArgumentParser(description=described, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="runs at once, one core each")
    parser.add_argument("--work", type=lambda text: Path(text).resolve(), default=ROOT / ".evenvoice" / folder,
                        help="where runs are kept")
    return parser


def settled_values(values: Mapping[str, Any], profile: str = "") -> dict[str, Any]:
    """``values`` laid over params.yaml and a profile."""
    settled = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    if profile:
        settled = overlay(settled, yaml.safe_load((ROOT / "profiles" / f"{profile}.yaml").read_text(encoding="utf-8")))
    return overlay(settled, values)


def run_graph(place: Path, values: Mapping[str, Any], profile: str = "", *, until: str = RECOGNISER.last,
              begun: Path | None = None) -> None:
    """Bring ``place`` to the report of a recogniser with ``values`` laid over params.yaml and a profile.

    Args:
        until: the last stage, such as ``discover@clusters``: only it and what it reads from is run.
        begun: folder of another run, whose finished stages count as this one's; what they made is linked to.

    Raises:
        WorkspaceError: ``place`` holds results of other parameters.
        CalledProcessError: a stage failed; its words are in ``place/log``.
    """
    settled = settled_values(values, profile)
    _write_params(place, yaml.safe_dump(settled, sort_keys=False))
    write_json(place / "corpus.json", {})
    write_json(place / "watched.json", watched.read(settled))
    (place / DONE).mkdir(exist_ok=True)
    graph = graph_of_run(ROOT, settled, models=models_in(settled), last=until)
    if begun is not None:
        _take_over(graph, begun, place)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "EVENVOICE_HOME": str(place / "home"), "OMP_NUM_THREADS": "1"}
    with (place / "log").open("ab") as log:
        for node in graph.in_order():
            if not (done := place / DONE / node.name).exists():
                subprocess.run([sys.executable, *node.cmd.split()[1:]], cwd=place, env=environment,  # noqa: S603
                               stdout=log, stderr=subprocess.STDOUT, check=True)
                done.touch()


def is_done(place: Path, stage: str) -> bool:
    """Whether ``place`` has what a stage makes."""
    return (place / DONE / stage).exists()


def _write_params(place: Path, text: str) -> None:
    path = place / "params.yaml"
    if path.exists() and any((place / DONE).glob("*")) and path.read_text(encoding="utf-8") != text:
        raise WorkspaceError(name=str(place), rule="hold results of the parameters that are asked for",
                             value="those of others", action="Delete that folder, or give another one with --work.")
    write_text(path, text)


def _take_over(graph: Graph, begun: Path, place: Path) -> None:
    for node in graph:
        if is_done(begun, node.name) and not is_done(place, node.name):
            for out in node.outs:
                (place / out).parent.mkdir(parents=True, exist_ok=True)
                (place / out).unlink(missing_ok=True)
                (place / out).symlink_to(begun / out)
            (place / DONE / node.name).touch()
