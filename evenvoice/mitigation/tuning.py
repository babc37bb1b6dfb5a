"""Which trial of an arm is kept: chosen on validate speakers, by the rule that later chooses among the arms.

All arms have the same number of trials, controls too, so that none wins for having been looked at more often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.schemas import HYPOTHESES
from evenvoice.data.tables import read_table
from evenvoice.decoding.hypotheses import TABLE, transcribe_recordings
from evenvoice.metrics.partitions import read_partition
from evenvoice.metrics.selection import Candidate, choose
from evenvoice.metrics.speakers import join_split
from evenvoice.models.placement import Placement
from evenvoice.models.recogniser import Recogniser
from evenvoice.params import BASE, Transcribe
from evenvoice.progress import Progress
from evenvoice.storage import read_json
from evenvoice.training.distributed import current_world

SPLIT = "validate"


@dataclass(frozen=True, kw_only=True)
class Jury:
    """Validate speakers, and how they choose.

    Attributes:
        store: features of all recordings.
        base: directory of the base model's hypotheses.
        cohorts: directory with one directory per discovery method.
        method: whose bottom cohort the arms aim at.
        regression_margin: as in the choice among the arms.
        decoding: how trials are transcribed.
    """

    store: FeatureStore
    base: Path
    cohorts: Path
    method: str
    regression_margin: float
    decoding: Transcribe

    def best(self, trials: Sequence[Recogniser], progress: Progress, told: Sequence[Placement | None] | None = None,
             ) -> tuple[int, list[dict[str, float | None]]]:
        """Number of the trial to keep, and the WERs of each on validate speakers; a single one is not listened to.

        Where the rule prefers the base model to all of them, the trial is kept that it would prefer among its own:
        eligible before harmful, then the lowest WER of the bottom cohort, then of the whole.

        Args:
            trials: the models.
            progress: where listening reports.
            told: for each trial the cohorts of speakers that it is told, as it will be told them ever after; None for
                one without a cohort input, and for all where none has one.
        """
        if len(trials) == 1:
            return 0, [{}]
        names = [f"trial-{number}" for number in range(1, len(trials) + 1)]
        heard = {BASE: read_table(self.base / TABLE, HYPOTHESES)}
        heard |= {name: self._transcribed(trial, progress, placement)
                  for name, trial, placement in zip(names, trials, told or [None] * len(trials), strict=True)}
        validate = join_split(SPLIT, heard, cohorts=self.cohorts, methods=[self.method])
        source = self.cohorts / self.method / "description.json"
        partition = read_partition(self.method, read_json(source), str(source))
        chosen = choose(validate, partition, self.regression_margin, controls=())
        found = {candidate.model: candidate for candidate in chosen.candidates}
        kept = chosen.challenger if chosen.challenger != BASE else min(names, key=lambda name: _rank(found[name]))
        progress.note(f"{kept} is kept of {len(names)}")
        return names.index(kept), [{"validate_bottom_wer": found[name].validate_bottom_wer,
                                    "validate_whole_wer": found[name].validate_whole_wer} for name in names]

    def _transcribed(self, recogniser: Recogniser, progress: Progress, placement: Placement | None) -> pa.Table:
        indices = self.store.indices(SPLIT)
        listening = Progress(progress.stage, total=len(indices), unit="recording")
        recogniser.transducer.to(current_world().device)
        table = transcribe_recordings(recogniser, self.store, indices, self.decoding, listening, placement).table
        recogniser.transducer.to("cpu")
        return table


def _rank(candidate: Candidate) -> tuple[bool, float, float]:
    bottom, whole = candidate.validate_bottom_wer, candidate.validate_whole_wer
    return not candidate.eligible, _or_worst(bottom), _or_worst(whole)


def _or_worst(wer: float | None) -> float:
    return float("inf") if wer is None else wer
