"""A tiny base model and six training speakers, two of whom are worst off."""

from __future__ import annotations

from evenvoice.mitigation import Situation
from evenvoice.params import Mitigate
from evenvoice.progress import Progress
from tests.builders.models import spoken_store, tiny_recogniser

BOTTOM = frozenset({"s1", "s4"})
SETTINGS = Mitigate(cohorts="geographic", bottom_share=0.3, steps=3, learning_rate=0.01, l2sp_weight=0.5,
                    ewc_weight=0.5, fisher_utterances=3, oversample=3.0)


def situation(seed: int = 1) -> Situation:
    """Speaker s<n> says text n; all are in the train split."""
    return Situation(recogniser=tiny_recogniser(), store=spoken_store(), bottom_speakers=BOTTOM, settings=SETTINGS,
                     ctc_weight=0.5, seed=seed, progress=Progress("mitigate@test"))
