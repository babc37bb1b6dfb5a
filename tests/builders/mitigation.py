"""A tiny base model and six training speakers, two of whom are worst off."""

from __future__ import annotations

from evenvoice.mitigation import Plan, Situation, load_arm
from evenvoice.params import EWC, L2SP, Arms, NoSettings, Oversample
from evenvoice.progress import Progress
from tests.builders.models import spoken_store, tiny_recogniser

BOTTOM = frozenset({"s1", "s4"})
SETTINGS = Arms(finetune=NoSettings(), l2sp=L2SP(weight=0.5), ewc=EWC(weight=0.5, fisher_utterances=3),
                oversample=Oversample(factor=3.0), placebo=NoSettings())


def situation(seed: int = 1) -> Situation:
    """Speaker s<n> says text n; all are in the train split."""
    return Situation(recogniser=tiny_recogniser(), store=spoken_store(), bottom_speakers=BOTTOM,
                     ctc_weight=0.5, seed=seed, progress=Progress("mitigate@test"))


def plan(arm: str, given: Situation) -> Plan:
    """What an arm makes of a situation, with :data:`SETTINGS`."""
    return load_arm(arm).plan(given, getattr(SETTINGS, arm))
