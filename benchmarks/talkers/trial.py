"""Training one arm of one seed by the pipeline's own stages, and what its test mixtures make of it.

    WORK/<corpus>/<seed>/base     the graph up to mixtures and the base recogniser
    WORK/<corpus>/<seed>/<arm>    the recogniser of two talkers, and the turns that it heard
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.bakeoff.corpus import Corpus
from benchmarks.talkers.arms import ARMS
from benchmarks.whole_runs import run_graph, settled_values
from evenvoice.multitalker.comparing import compare
from evenvoice.multitalker.endpointing import endpointing_rows
from evenvoice.multitalker.evidence import CHALLENGER
from evenvoice.multitalker.figures import Figures
from evenvoice.multitalker.heard import MODELS, SPLITS, TURNS_FILE, read_heard, said_in
from evenvoice.multitalker.resampling import Outcomes, TurnBootstrap
from evenvoice.multitalker.store import MixtureStore
from evenvoice.params import overlay
from evenvoice.verification.groups import Labels

CONFIDENCE: Final = 0.95
REPLICATES: Final = 2000
TRIED: Final = "transcribe_multitalker"
Row = dict[str, Any]


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

    def place(self, seed: int, name: str = "base") -> Path:
        """Folder of an arm, or of what all arms of a seed begin with."""
        return self.work / self.corpus.name / str(seed) / name.replace(" ", "-").replace(",", "")

    def prepare(self, seed: int) -> None:
        """Run the stages that all arms share."""
        for last in ("train", "mix"):
            run_graph(self.place(seed), self._values(seed), self.corpus.profile or "", until=last)

    def train(self, seed: int, arm: str) -> None:
        """Train an arm and hear all mixtures, unless that was done before."""
        values = overlay(self._values(seed), {"train_multitalker": ARMS[arm]})
        run_graph(self.place(seed, arm), values, self.corpus.profile or "", until=TRIED, begun=self.place(seed))

    def trial(self, seed: int, arm: str) -> Trial:
        """What an arm heard."""
        settled = settled_values(self._values(seed), self.corpus.profile or "")
        return Trial(arm=arm, seed=seed, place=self.place(seed, arm), settled=settled)

    def _values(self, seed: int) -> dict[str, Any]:
        return overlay(self.values, {"seed": seed, "ingest": {"corpus": self.corpus.speech}})


@dataclass(frozen=True)
class Trial:
    """An arm of a seed, trained; of its test mixtures."""

    arm: str
    seed: int
    place: Path
    settled: Mapping[str, Any]

    @cached_property
    def compared(self) -> dict[str, tuple[list[Row], list[Row]]]:
        """Rows of the SPOKEN_TURNS and the MIXTURE_ERRORS table, of the arm and of the base recogniser."""
        tolerance_s = self.settled["evaluate_multitalker"]["cut_tolerance_s"]
        everything = [one for said in self._said.values() for one in said]
        heard = read_heard(self.place / "artifacts/turns" / TURNS_FILE, everything)
        found = {}
        for model in MODELS:
            rows = [compare(model, one, heard[model][one.name], tolerance_s) for one in self._said["test"]]
            found[model] = [row for turns, _ in rows for row in turns], [row for _, row in rows]
        return found

    @cached_property
    def outcomes(self) -> dict[str, Outcomes]:
        """The same, summed up by speaker."""
        return {model: Outcomes.of(*rows) for model, rows in self.compared.items()}

    @property
    def figures(self) -> dict[str, Any]:
        """Figures of the arm with intervals, as figures.json and the whole row of rates.parquet have them."""
        return self._figures(CHALLENGER)

    @property
    def of_base(self) -> dict[str, Any]:
        """The same of the base recogniser."""
        return self._figures("base")

    def endings(self) -> list[dict[str, Any]]:
        """Rows of the ENDPOINTING table: the arm, and the energy detector."""
        tolerance_s = self.settled["evaluate_multitalker"]["cut_tolerance_s"]
        return [dict(row) for row in endpointing_rows(
            self._store, validate=self._said["validate"], test=self._said["test"],
            spoken=self.compared[CHALLENGER][0], hop_s=self.settled["featurize"]["hop_ms"] / 1000,
            cut_tolerance_s=tolerance_s)]

    def bootstrap(self) -> TurnBootstrap:
        """The same resampled speakers for every arm of a seed."""
        speakers = len(self.outcomes[CHALLENGER].served.speakers)
        return TurnBootstrap(speakers, REPLICATES, np.random.default_rng([self.seed, 0x7472]))

    @cached_property
    def _store(self) -> MixtureStore:
        return MixtureStore.open(self.place / "artifacts/mixtures", self.settled["featurize"]["n_mels"])

    @cached_property
    def _said(self) -> dict[str, Sequence[Any]]:
        return {split: said_in(self._store, split) for split in SPLITS}

    def _figures(self, model: str) -> dict[str, Any]:
        figures = Figures(self.bootstrap(), CONFIDENCE)
        whole = next(iter(figures.rates(model, self.outcomes[model], (), Labels({}), "test")))
        return {**figures.whole(self.outcomes[model]), **{name: value for name, value in whole.items()
                                                          if name.startswith(("cut", "missed", "sot", "eot"))}}
