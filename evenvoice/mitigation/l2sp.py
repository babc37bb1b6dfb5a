"""L2-SP: fine-tuning on the bottom cohort, every weight pulled back alike."""

from evenvoice.mitigation.anchor import quadratic_anchor
from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.params import L2SP


def plan_l2sp(situation: Situation, settings: L2SP) -> Plan:
    """Train on the bottom speakers, anchored to the base model with importance 1."""
    anchor = quadratic_anchor(situation.recogniser.transducer, weight=settings.weight, importance=None)
    return Plan(indices=situation.indices_of(situation.bottom_speakers), penalty=anchor,
                identity=f"l2sp {settings.weight}")


ARM = Arm(title="L2-SP", plan=plan_l2sp)
