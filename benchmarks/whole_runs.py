"""The stages of dvc.yaml one after another in a folder of their own, for benchmarks that repeat whole runs over seeds.

Each stage is a process, as in a run, and several runs go side by side, each on one core. A run that was cut short goes
on with the stage it was in.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dags.dvc_graph import load_graph
from evenvoice.params import overlay
from evenvoice.storage import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]


def run_graph(place: Path, values: Mapping[str, Any], profile: str = "") -> None:
    """Bring ``place`` to the end of the graph with ``values`` laid over params.yaml and a profile.

    Raises:
        CalledProcessError: a stage failed; its words are in ``place/log``.
    """
    settled = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    if profile:
        settled = overlay(settled, yaml.safe_load((ROOT / "profiles" / f"{profile}.yaml").read_text(encoding="utf-8")))
    write_text(place / "params.yaml", yaml.safe_dump(overlay(settled, values), sort_keys=False))
    write_json(place / "corpus.json", {})
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "EVENVOICE_HOME": str(place / "home"), "OMP_NUM_THREADS": "1"}
    (place / "done").mkdir(exist_ok=True)
    with (place / "log").open("ab") as log:
        for node in load_graph(ROOT).in_order():
            if not (done := place / "done" / node.name).exists():
                subprocess.run([sys.executable, *node.cmd.split()[1:]], cwd=place, env=environment,  # noqa: S603
                               stdout=log, stderr=subprocess.STDOUT, check=True)
                done.touch()
