"""A tiny base model and six training speakers, two of whom are worst off."""

from __future__ import annotations

import numpy as np

from evenvoice.mitigation import Plan, Situation, load_arm
from evenvoice.params import EWC, L2SP, Arms, NoSettings, Oversample, Reweight
from evenvoice.progress import Progress
from tests.builders.models import spoken_store, tiny_recogniser

BOTTOM = frozenset({"s1", "s4"})
REWEIGHT = Reweight(adversary="hidden", hidden_units=4, clusters=2, learning_rate=0.1, even_share=0.5,
                    warmup_share=0.25)
SETTINGS = Arms(finetune=NoSettings(), l2sp=L2SP(weight=0.5), ewc=EWC(weight=0.5, fisher_utterances=3),
                oversample=Oversample(factor=3.0), placebo=NoSettings(),
                reweight=REWEIGHT, reweight_random=REWEIGHT)
EMBEDDINGS = {f"s{number}": np.eye(6)[number] for number in range(5)}
"""Of everyone but s5."""


def situation(seed: int = 1) -> Situation:
    """Speaker s<n> says text n; all are in the train split."""
    return Situation(recogniser=tiny_recogniser(), store=spoken_store(), bottom_speakers=BOTTOM,
                     embeddings=EMBEDDINGS, ctc_weight=0.5, seed=seed, progress=Progress("mitigate@test"))


def plan(arm: str, given: Situation) -> Plan:
    """What an arm makes of a situation, with :data:`SETTINGS`."""
    return load_arm(arm).plan(given, getattr(SETTINGS, arm))
