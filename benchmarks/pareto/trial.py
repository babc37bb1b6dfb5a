"""Preparing a seed, training one point from it, and reading what its test speakers heard: the pipeline's own stages.

    WORK/<corpus>/<seed>/base        the graph up to discovery
    WORK/<corpus>/<seed>/<point>     one arm trained and transcribed; all before it is linked to the base's
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bakeoff.corpus import Corpus
from benchmarks.pareto.changes import Seed
from benchmarks.pareto.plan import Point
from benchmarks.whole_runs import is_done, run_graph, settled_values
from evenvoice.data.schemas import HYPOTHESES
from evenvoice.data.tables import read_table
from evenvoice.decoding.hypotheses import TABLE
from evenvoice.errors import TrainingError
from evenvoice.metrics.partitions import Partition, read_partition
from evenvoice.metrics.speakers import join_split
from evenvoice.params import BASE, overlay
from evenvoice.storage import read_json
from stages import paths

SPLIT = "test"


@dataclass(frozen=True, kw_only=True)
class Study:
    """One corpus over seeds.

    Attributes:
        work: where everything is kept.
        values: laid over params.yaml and the corpus's profile.
    """

    corpus: Corpus
    work: Path
    values: Mapping[str, Any]

    @property
    def settled(self) -> dict[str, Any]:
        """All parameters but the seed and those of a point."""
        return settled_values(self._values(), self.corpus.profile or "")

    @property
    def method(self) -> str:
        """Which discovery's bottom cohort the arms aim at."""
        return str(self.settled["mitigate"]["cohorts"])

    def place(self, seed: int, name: str = BASE) -> Path:
        """Folder of a point, or of what all points of a seed begin with."""
        return self.work / self.corpus.name / str(seed) / name

    def prepare(self, seed: int) -> None:
        """Run the stages before mitigation."""
        _run(self.place(seed), {**self._values(), "seed": seed}, self.corpus, until=f"discover@{self.method}")

    def train(self, seed: int, point: Point, plan: Sequence[Point]) -> None:
        """Train and transcribe one point, unless nobody is worse off; what it is made from was trained before."""
        if not self.partition(seed).comparable:
            return
        origin = point.made_from(plan)
        _run(self.place(seed, point.name), {**overlay(self._values(), point.values()), "seed": seed}, self.corpus,
             until=point.last_stage, begun=self.place(seed, origin.name if origin else BASE))

    def is_trained(self, seed: int, point: Point) -> bool:
        """Whether :meth:`train` would do nothing."""
        return is_done(self.place(seed, point.name), point.last_stage)

    def partition(self, seed: int) -> Partition:
        """The cohorts that discovery froze."""
        source = self.place(seed) / paths.COHORTS / self.method / "description.json"
        return read_partition(self.method, read_json(source), str(source))

    def heard(self, seed: int, plan: Sequence[Point]) -> Seed:
        """Test speakers of a seed under the base model and every point; only the base where nobody is worse off."""
        partition = self.partition(seed)
        models = {BASE: self.place(seed) / paths.BASE_HYPOTHESES}
        if partition.comparable:
            models |= {point.name: self.place(seed, point.name) / paths.HYPOTHESES / point.arm for point in plan}
        tables = {name: read_table(directory / TABLE, HYPOTHESES) for name, directory in models.items()}
        table = join_split(SPLIT, tables, cohorts=self.place(seed) / paths.COHORTS, methods=[self.method])
        return Seed(seed=seed, table=table, partition=partition)

    def _values(self) -> dict[str, Any]:
        speech = self.corpus.speech
        recorded = speech != "synthetic" and "://" not in speech
        return overlay({"ingest": {"corpus": str(Path(speech).resolve()) if recorded else speech}}, self.values)


def _run(place: Path, values: Mapping[str, Any], corpus: Corpus, *, until: str, begun: Path | None = None) -> None:
    try:
        run_graph(place, values, corpus.profile or "", until=until, begun=begun)
    except subprocess.CalledProcessError as error:
        raise TrainingError(name=f"{place.name} of seed {place.parent.name}", rule="go through its stages",
                            value=" ".join(error.cmd[1:]) + f" ending with {error.returncode}",
                            action=f"Read {place / 'log'}; what is done is kept.") from error
