"""L2-SP: fine-tuning on the bottom cohort, every weight pulled back alike."""

from evenvoice.mitigation.anchor import quadratic_anchor
from evenvoice.mitigation.arm import Plan, Situation


def plan_l2sp(situation: Situation) -> Plan:
    """Train on the bottom speakers, anchored to the base model with importance 1."""
    weight = situation.settings.l2sp_weight
    anchor = quadratic_anchor(situation.recogniser.transducer, weight=weight, importance=None)
    return Plan(indices=situation.indices_of(situation.bottom_speakers), penalty=anchor, identity=f"l2sp {weight}")
