"""The control: plain fine-tuning on as many random training speakers.

What the placebo gains on the bottom cohort is the effect of more steps and of regression to the mean, not of knowing
who is worst off.
"""

import numpy as np

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.params import NoSettings

STREAM = 0x91ACE  # keeps this draw apart from every other use of the seed


def plan_placebo(situation: Situation, _settings: NoSettings) -> Plan:
    """Train on random training speakers, as many as the bottom cohort has."""
    everyone = sorted({str(speaker) for speaker in situation.store.speakers[situation.training_indices()]})
    rng = np.random.default_rng([situation.seed, STREAM])
    drawn = rng.choice(everyone, size=len(situation.bottom_speakers), replace=False)
    return Plan(indices=situation.indices_of(frozenset(drawn.tolist())))


ARM = Arm(title="Placebo (random speakers)", plan=plan_placebo, control=True)
