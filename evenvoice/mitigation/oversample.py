"""Oversampling: everyone is trained on, the bottom cohort more often (after arXiv 2207.11345)."""

import numpy as np

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.params import Oversample


def plan_oversample(situation: Situation, settings: Oversample) -> Plan:
    """Draw each bottom recording ``settings.factor`` times as often as any other."""
    indices = situation.training_indices()
    bottom = np.isin(indices, situation.indices_of(situation.bottom_speakers))
    return Plan(indices=indices, draw_weights=np.where(bottom, settings.factor, 1.0))


ARM = Arm(title="Oversampling", plan=plan_oversample)
