"""Rehearsal: fine-tuning on the bottom cohort, with a sample of everyone else in each batch against forgetting."""

import numpy as np

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.params import Rehearsal


def plan_rehearsal(situation: Situation, settings: Rehearsal) -> Plan:
    """Draw each bottom recording once per epoch, and a new sample of all others that makes up the share."""
    is_bottom = situation.is_of(situation.bottom_speakers)
    own, others = int(is_bottom.sum()), int((~is_bottom).sum())
    each_other = settings.share / (1 - settings.share) * own / max(1, others)
    return Plan(indices=situation.training_indices(), draw_weights=np.where(is_bottom, 1.0, each_other),
                groups=is_bottom.astype(np.int64))


ARM = Arm(title="Rehearsal", plan=plan_rehearsal)
