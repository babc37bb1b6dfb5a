"""Augmentation: variants of the bottom cohort's recordings, until it has its share of the population in training."""

import numpy as np

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.params import Augment
from evenvoice.training.variants import Variants


def plan_augment(situation: Situation, settings: Augment) -> Plan:
    """Draw as many variants of the bottom cohort's recordings as it is short of."""
    return augmented(situation, settings, situation.bottom_speakers)


def augmented(situation: Situation, settings: Augment, speakers: frozenset[str]) -> Plan:
    """Draw variants of the recordings of ``speakers``, as often as the bottom cohort's would have to be drawn."""
    factor = missing_factor(situation)
    return Plan(indices=situation.training_indices(), choice={"factor": factor},
                draw_weights=np.where(situation.is_of(speakers), factor, 1.0),
                variants=Variants(recordings=situation.indices_of(speakers), speed=settings.speed, warp=settings.warp))


def missing_factor(situation: Situation) -> float:
    """How many times as often the bottom cohort has to be drawn for its share of speech to be that of the population.

    At least 1: a cohort that is not scarce in training is drawn as often as everyone.
    """
    seconds = situation.store.durations_s[situation.training_indices()].astype(np.float64)
    is_bottom = situation.is_of(situation.bottom_speakers)
    own_s, others_s, share = seconds[is_bottom].sum(), seconds[~is_bottom].sum(), situation.population_share
    return max(1.0, float(share * others_s / ((1 - share) * own_s))) if share < 1 else 1.0


ARM = Arm(title="Augmentation", plan=plan_augment)
