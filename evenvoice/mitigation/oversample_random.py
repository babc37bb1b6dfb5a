"""The control of oversampling: random speakers are drawn more often, as many as the bottom cohort has."""

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.mitigation.oversample import oversampled
from evenvoice.mitigation.random_speakers import random_speakers
from evenvoice.params import Oversample


def plan_oversample_random(situation: Situation, settings: Oversample) -> Plan:
    """Draw each recording of random speakers more often than any other."""
    return oversampled(situation, settings, random_speakers(situation))


ARM = Arm(title="Oversampling, random speakers", plan=plan_oversample_random, control=True, per_trial=True)
