"""The control of fine-tuning: the same on as many random training speakers with as much speech.

What the placebo gains on the bottom cohort is the effect of more steps and of regression to the mean, not of knowing
who is worst off.
"""

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.mitigation.random_speakers import random_speakers
from evenvoice.params import NoSettings


def plan_placebo(situation: Situation, _settings: NoSettings) -> Plan:
    """Train on random training speakers."""
    return Plan(indices=situation.indices_of(random_speakers(situation)))


ARM = Arm(title="Placebo (random speakers)", plan=plan_placebo, control=True)
