"""The control of augmentation: as many variants of random speakers' recordings."""

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.mitigation.augment import augmented
from evenvoice.mitigation.random_speakers import random_speakers
from evenvoice.params import Augment


def plan_augment_random(situation: Situation, settings: Augment) -> Plan:
    """Draw variants of random speakers' recordings."""
    return augmented(situation, settings, random_speakers(situation))


ARM = Arm(title="Augmentation, random speakers", plan=plan_augment_random, control=True)
