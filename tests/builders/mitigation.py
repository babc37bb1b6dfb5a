"""A tiny base model and six training speakers, two of whom are worst off."""

from __future__ import annotations

from evenvoice.metrics.partitions import FrozenCohort, Partition
from evenvoice.mitigation import Plan, Situation, load_arm
from evenvoice.models.placement import Placement
from evenvoice.params import EWC, L2SP, Arms, CohortInput, NoSettings, Oversample
from evenvoice.progress import Progress
from tests.builders.models import spoken_store, tiny_recogniser

BOTTOM = frozenset({"s1", "s4"})
LISTENING = CohortInput(dropout=0.25, vector_rate=20.0)
SETTINGS = Arms(finetune=NoSettings(), l2sp=L2SP(weight=0.5), ewc=EWC(weight=0.5, fisher_utterances=3),
                oversample=Oversample(factor=3.0), placebo=NoSettings(), cohort_input=LISTENING,
                cohort_input_shuffled=LISTENING, cohort_input_constant=LISTENING)
COHORTS = Partition(method="geographic", applicable=True, reason="told", cohorts=tuple(
    FrozenCohort(cohort=name, rule=name, discover_speakers=9, discover_words=90, discover_wer=wer)
    for name, wer in (("region-1", 0.3), ("region-2", 0.1))))
PLACEMENT = Placement({(f"s{number}", "train"): "region-1" if f"s{number}" in BOTTOM else "region-2"
                       for number in range(5)} | {("s5", "train"): None})


def situation(seed: int = 1) -> Situation:
    """Speaker s<n> says text n; all are in the train split, and s5 is in no cohort."""
    return Situation(recogniser=tiny_recogniser(), store=spoken_store(), bottom_speakers=BOTTOM,
                     cohorts=COHORTS, placement=PLACEMENT, rule={"cohorts": ["region-1", "region-2"]},
                     ctc_weight=0.5, seed=seed, progress=Progress("mitigate@test"))


def plan(arm: str, given: Situation) -> Plan:
    """What an arm makes of a situation, with :data:`SETTINGS`."""
    return load_arm(arm).plan(given, getattr(SETTINGS, arm))
