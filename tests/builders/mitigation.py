"""A tiny base model and six training speakers, two of whom are worst off."""

from __future__ import annotations

import numpy as np

from evenvoice.mitigation import Plan, Situation, load_arm
from evenvoice.params import (
    ARMS,
    EWC,
    L2SP,
    MADE_FROM,
    Arms,
    Augment,
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
EMBEDDINGS = {f"s{number}": np.eye(6)[number] for number in range(5)}
"""Of everyone but s5."""
TRAINED = tuple(arm for arm in ARMS if arm not in MADE_FROM)
SETTINGS = Arms(finetune=NoSettings(), l2sp=L2SP(weight=0.5), ewc=EWC(weight=0.5, fisher_utterances=3),
                frozen=Frozen(below=2), interpolate=Interpolate(shares=(0.5, 0.25)), rehearsal=Rehearsal(share=0.5),
                oversample=Oversample(factors=(3.0, 2.0)), augment=Augment(speed=0.2, warp=0.2), reweight=REWEIGHT,
                placebo=NoSettings(),
                oversample_random=Oversample(factors=(3.0, 2.0)), augment_random=Augment(speed=0.2, warp=0.2),
                reweight_random=REWEIGHT)


def situation(seed: int = 1, *, trial: int = 0, encoder: str = "convrnnt", population_share: float = 0.5) -> Situation:
    """Speaker s<n> says text n; all are in the train split."""
    return Situation(recogniser=tiny_recogniser(encoder=encoder), store=spoken_store(), bottom_speakers=BOTTOM,
                     population_share=population_share, embeddings=EMBEDDINGS, ctc_weight=0.5, seed=seed,
                     progress=Progress("mitigate@test"), trial=trial)


def plan(arm: str, given: Situation) -> Plan:
    """What a trained arm makes of a situation, with :data:`SETTINGS`."""
    make = load_arm(arm).plan
    assert make is not None
    return make(given, getattr(SETTINGS, arm))
