"""The stages of a recogniser on so many hours of synthetic speech, from ingest to gate, each one measured.

A size has a folder of its own: a copy of the code, so that edits do not change what is measured, and one file of
figures per stage that is done. A size that was cut short goes on with the stage it was in; when it is done its
artifacts go and its figures stay.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.scaling.watching import MEGA, Cost, watched
from benchmarks.whole_runs import ROOT, settled_values
from dags import watched as watched_cohorts
from dags.dvc_graph import Graph, Node, graph_of_run
from evenvoice.code_digest import STAGE_CODE, code_files, tree_digest
from evenvoice.errors import WorkspaceError
from evenvoice.params import models_in, overlay
from evenvoice.storage import read_json, write_json, write_text

LAST: Final = "gate"
SUMMARY: Final = "summary.json"
"""Of the corpus; a size that has it is done."""
CODE: Final = "code.sha256"
"""Digest of the code that is measured. A size that was cut goes on with its own copy."""
SECONDS_PER_SPEAKER: Final = 21.0
"""Of the synthetic world with ten recordings of training speakers and eight of others."""
FIXED: Final[Mapping[str, Any]] = {
    # as many updates of the smallest model whatever the hours: what grows is then data alone
    "train": {"size": "tiny", "steps": 30, "batch_s": 20.0},
    "train_speaker": {"embedding": 16, "width": 32, "steps": 30, "speakers_per_batch": 8},
    "mitigate": {"arms": ["finetune", "ewc", "rehearsal", "augment", "placebo"],
                 "trials": [{"steps": 30, "learning_rate": 0.0005}]},
    # clusters and their shares must exist among the few speakers of the smallest size
    "discover": {"min_speakers": 2, "min_words": 10},
    "gate": {"min_speakers": 2},
}


@dataclass(frozen=True, kw_only=True)
class StageCost:
    """One stage at one size."""

    stage: str
    cost: Cost
    files: int
    """Among its outputs."""
    from_store_mb: float
    """Artifacts that it depends on: what a pod without a shared disk has to fetch, if it fetches whole outputs."""
    to_store_mb: float
    """Its outputs: what it leaves on a shared disk, and what a pod has to send."""

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> StageCost:
        return cls(**{**content, "cost": Cost(**content["cost"])})


@dataclass(frozen=True, kw_only=True)
class Size:
    """One corpus through all stages."""

    wanted_hours: float
    hours: float
    recordings: int
    code: str
    """Digest of the code that was measured."""
    stages: tuple[StageCost, ...]


def values_for(hours: float) -> dict[str, Any]:
    """Parameters of a run on so many hours."""
    speakers = max(48, round(hours * 3600 / SECONDS_PER_SPEAKER))
    return settled_values(overlay(FIXED, {"synthetic": {"speakers": speakers}}))


def measure(hours: float, work: Path, tell: Callable[[StageCost], None]) -> Size:
    """Bring a corpus of ``hours`` through every stage; what is known already is not measured again.

    Raises:
        WorkspaceError: the folder holds figures of other parameters or code, or a stage failed.
    """
    place = work / f"{hours:g}h"
    graph = _furnished(place, values_for(hours))
    costs = []
    for node in graph.in_order():
        figures = place / "figures" / f"{node.name}.json"
        if not figures.exists():
            write_json(figures, asdict(_run(node, place)))
            tell(StageCost.from_json(read_json(figures)))
        costs.append(StageCost.from_json(read_json(figures)))
    _keep_summary(place)
    summary = read_json(place / SUMMARY)
    return Size(wanted_hours=hours, hours=summary["hours"], recordings=summary["recordings"],
                code=(place / CODE).read_text(encoding="ascii"), stages=tuple(costs))


def _furnished(place: Path, values: Mapping[str, Any]) -> Graph:
    """Make the folder of a size, or see that it is the one that is meant."""
    params, text = place / "params.yaml", yaml.safe_dump(values, sort_keys=False)
    if params.exists() and params.read_text(encoding="utf-8") != text:
        raise WorkspaceError(name=str(place), rule="hold figures of the parameters that are asked for",
                             value="those of others", action="Delete that folder.")
    if (place / SUMMARY).exists() and (place / CODE).read_text(encoding="ascii") != tree_digest(ROOT):
        raise WorkspaceError(name=str(place), rule="hold figures of the code as it is", value="those of other code",
                             action="Delete that folder.")
    if not params.exists():
        for name in code_files(ROOT, (*STAGE_CODE, "dvc.yaml", "params.yaml")):
            (place / "code" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / "code" / name)
        # otherwise the first stage that imports a module would pay for compiling it
        subprocess.run([sys.executable, "-m", "compileall", "-q", str(place / "code")], check=True)  # noqa: S603
        write_text(place / CODE, tree_digest(ROOT))
        write_json(place / "corpus.json", {})
        write_json(place / "watched.json", watched_cohorts.read(values))
        write_text(params, text)
    return graph_of_run(place / "code", values, models=models_in(values), last=LAST)


def _run(node: Node, place: Path) -> StageCost:
    environment = {**os.environ, "PYTHONPATH": str(place / "code"), "EVENVOICE_HOME": str(place / "home"),
                   "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # modules are compiled in a run: Makefile
    log = place / f"{node.name}.log"
    try:
        cost = watched([sys.executable, *node.cmd.split()[1:]], place, environment, log)
    except subprocess.CalledProcessError as error:
        raise WorkspaceError(name=node.name, rule="end well", value=f"status {error.returncode}",
                             action=f"Read {log}; what is done is kept.") from error
    outs = sizes(place / out for out in node.outs)
    return StageCost(stage=node.name, cost=cost, files=len(outs), to_store_mb=_mega(outs),
                     from_store_mb=_mega(sizes(place / dep for dep in node.deps if dep.startswith("artifacts/"))))


def sizes(paths: Iterable[Path]) -> list[int]:
    """Bytes of each file that ``paths`` are or hold."""
    return [file.stat().st_size for path in paths for file in ([path] if path.is_file() else path.rglob("*"))
            if file.is_file()]


def _mega(found: list[int]) -> float:
    return round(sum(found) / MEGA, 2)


def _keep_summary(place: Path) -> None:
    corpus = place / "artifacts" / "corpus" / SUMMARY
    if corpus.exists():
        shutil.copy2(corpus, place / SUMMARY)
        for folder in ("artifacts", "checkpoints", "pieces", "home"):
            shutil.rmtree(place / folder, ignore_errors=True)
