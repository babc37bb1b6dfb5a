"""Oversampling: everyone is trained on, the bottom cohort more often (after arXiv 2207.11345)."""

import numpy as np

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.params import Oversample


def plan_oversample(situation: Situation, settings: Oversample) -> Plan:
    """Draw each bottom recording more often than any other."""
    return oversampled(situation, settings, situation.bottom_speakers)


def oversampled(situation: Situation, settings: Oversample, speakers: frozenset[str]) -> Plan:
    """Draw each recording of ``speakers`` as many times as often as any other as the factor of the trial says."""
    factor = settings.factors[situation.trial % len(settings.factors)]
    return Plan(indices=situation.training_indices(), choice={"factor": factor},
                draw_weights=np.where(situation.is_of(speakers), factor, 1.0))


ARM = Arm(title="Oversampling", plan=plan_oversample, per_trial=True)
