"""A tiny base model and six training speakers, two of whom are worst off."""

from __future__ import annotations

import numpy as np

from evenvoice.metrics.partitions import FrozenCohort, Partition
from evenvoice.mitigation import Plan, Situation, load_arm
from evenvoice.models.placement import Placement
from evenvoice.params import (
    ARMS,
    EWC,
    L2SP,
    MADE_FROM,
    Arms,
    Augment,
    CohortInput,
    Frozen,
    Interpolate,
    NoSettings,
    Oversample,
    Rehearsal,
    Reweight,
)
from evenvoice.progress import Progress
from tests.builders.models import spoken_store, tiny_recogniser

BOTTOM = frozenset({"s1", "s4"})
REWEIGHT = Reweight(adversary="hidden", hidden_units=4, clusters=2, learning_rate=0.1, even_share=0.5,
                    warmup_share=0.25)
LISTENING = CohortInput(dropout=0.25, vector_rate=20.0)
EMBEDDINGS = {f"s{number}": np.eye(6)[number] for number in range(5)}
"""Of everyone but s5."""
TRAINED = tuple(arm for arm in ARMS if arm not in MADE_FROM)
SETTINGS = Arms(finetune=NoSettings(), l2sp=L2SP(weight=0.5), ewc=EWC(weight=0.5, fisher_utterances=3),
                frozen=Frozen(below=2), interpolate=Interpolate(shares=(0.5, 0.25)), rehearsal=Rehearsal(share=0.5),
                oversample=Oversample(factors=(3.0, 2.0)), augment=Augment(speed=0.2, warp=0.2), reweight=REWEIGHT,
                cohort_input=LISTENING, placebo=NoSettings(),
                oversample_random=Oversample(factors=(3.0, 2.0)), augment_random=Augment(speed=0.2, warp=0.2),
                reweight_random=REWEIGHT, cohort_input_shuffled=LISTENING, cohort_input_constant=LISTENING)
COHORTS = Partition(method="geographic", applicable=True, reason="told", cohorts=tuple(
    FrozenCohort(cohort=name, rule=name, discover_speakers=9, discover_words=90, discover_wer=wer)
    for name, wer in (("region-1", 0.3), ("region-2", 0.1))))
PLACEMENT = Placement({(f"s{number}", "train"): "region-1" if f"s{number}" in BOTTOM else "region-2"
                       for number in range(5)} | {("s5", "train"): None})


def situation(seed: int = 1, *, trial: int = 0, encoder: str = "convrnnt", population_share: float = 0.5) -> Situation:
    """Speaker s<n> says text n; all are in the train split, and s5 is in no cohort."""
    return Situation(recogniser=tiny_recogniser(encoder=encoder), store=spoken_store(), bottom_speakers=BOTTOM,
                     cohorts=COHORTS, placement=PLACEMENT, rule={"cohorts": ["region-1", "region-2"]},
                     population_share=population_share, embeddings=EMBEDDINGS, ctc_weight=0.5, seed=seed,
                     progress=Progress("mitigate@test"), trial=trial)


def plan(arm: str, given: Situation) -> Plan:
    """What a trained arm makes of a situation, with :data:`SETTINGS`."""
    make = load_arm(arm).plan
    assert make is not None
    return make(given, getattr(SETTINGS, arm))
