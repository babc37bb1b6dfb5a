"""Oversampling: everyone is trained on, the bottom cohort more often (after arXiv 2207.11345)."""

import numpy as np

from evenvoice.mitigation.arm import Plan, Situation


def plan_oversample(situation: Situation) -> Plan:
    """Draw each bottom recording ``settings.oversample`` times as often as any other."""
    indices = situation.training_indices()
    bottom = np.isin(indices, situation.indices_of(situation.bottom_speakers))
    return Plan(indices=indices, draw_weights=np.where(bottom, situation.settings.oversample, 1.0))
