"""One world from its tables to a verdict, in a process of its own, step by step.

    python -m benchmarks.million.steps FOLDER RESULT

The steps are those of the stages discover, evaluate and gate, through the same functions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.million.measured import measured
from evenvoice.cohorts import find_cohorts, load_method
from evenvoice.cohorts.description import Found, FoundEach, NotApplicable, describe, write_cohorts
from evenvoice.cohorts.frozen import rules
from evenvoice.cohorts.table import CohortTable, load_cohort_table
from evenvoice.evaluation.rows import compare
from evenvoice.gates import Verdict, judge
from evenvoice.gates.evidence import Evidence
from evenvoice.judge.settings import Judging, read_judging
from evenvoice.judge.verdicts import Inputs
from evenvoice.metrics.bootstrap import SpeakerBootstrap
from evenvoice.metrics.partitions import DESCRIPTION, Partition, partition_folder, read_partition
from evenvoice.metrics.speakers import SplitTable, read_splits
from evenvoice.origins import RULES, Origin
from evenvoice.params import BASE
from evenvoice.storage import read_json, write_json

METHODS: Final = {"tree": "geographic", "attributes": "attributes", "clusters": "clusters"}
"""Step -> method of discovery."""
COLUMNS: Final = ("gender", "age_band", "accent")
DECIMALS: Final = 1
NOBODYS: Final = Origin(model="0" * 64, features="0" * 64, tokenizer="0" * 64)


class Steps:
    """Runs steps and keeps what each took."""

    def __init__(self) -> None:
        self.costs: list[dict[str, Any]] = []

    def __call__(self, name: str, work: Callable[[], Any]) -> Any:
        found, cost = measured(work)
        self.costs.append({"step": name, **asdict(cost)})
        return found


def settings() -> Judging:
    """What `evenvoice judge` judges by, and the columns of the world."""
    return read_judging(changes=[f"discover.attributes.columns=[{', '.join(COLUMNS)}]"])


def run(folder: Path) -> dict[str, Any]:
    """All steps; what each took, and what came out."""
    step, own = Steps(), settings()
    found = _discovered(step, folder, own)
    described = {name: partition_folder(folder / "cohorts", name) / DESCRIPTION for name in found}
    partitions = [read_partition(name, read_json(path), str(path)) for name, path in described.items()]
    test: SplitTable = step("read speakers", lambda: read_splits(
        hypotheses=folder / "hypotheses", cohorts=folder / "cohorts", methods=list(found),
        splits={"test": [BASE]})["test"])
    step("bootstrap", lambda: SpeakerBootstrap(len(test.speakers), own.evaluate.replicates, np.random.default_rng(1))
         .log_wer(test.table(BASE)))
    step("compare", lambda: compare(test, partitions, own.evaluate, np.random.default_rng(1)))
    verdict: Verdict = step("gate", lambda: judge(_evidence(test, partitions), own.gate, seed=1))
    return {"steps": step.costs, "cohorts": found, "test_speakers": len(test.speakers), "verdict": verdict.verdict}


def _discovered(step: Steps, folder: Path, own: Judging) -> dict[str, int]:
    """Find cohorts by every method and place everyone; partition -> cohorts that are judged."""
    table: CohortTable = step("read tables", lambda: load_cohort_table(
        corpus=folder / "corpus", hypotheses=folder / "hypotheses" / BASE, embeddings=folder / "embeddings"))
    parts: dict[str, tuple[str, Found | NotApplicable]] = {}
    for name, method in METHODS.items():
        found = step(name, lambda method=method: find_cohorts(method, table, own.discover, seed=1))
        parts |= found.partitions if isinstance(found, FoundEach) else {method: (load_method(method).title, found)}
    step("place everyone", lambda: [_placed(folder, name, title, part, table) for name, (title, part) in parts.items()])
    return {name: len(part.rules) if isinstance(part, Found) else 0 for name, (_, part) in parts.items()}


def _placed(folder: Path, name: str, title: str, found: Found | NotApplicable, table: CohortTable) -> None:
    draft = partition_folder(folder / "cohorts", name)
    write_cohorts(draft, found, table)
    write_json(draft / RULES, rules(name, found, DECIMALS))
    describe(draft, method=name, title=title, found=found, table=table, parameters={}, origin=NOBODYS)


def _evidence(test: SplitTable, partitions: list[Partition]) -> Evidence:
    return Evidence(test=test, partitions=tuple(partitions), challenger=BASE, labelled="synthetic",
                    speakers_overlap=False, origins=Inputs(files={}, normaliser="none", unit="word"))


if __name__ == "__main__":
    write_json(Path(sys.argv[2]), run(Path(sys.argv[1])))
