"""Fine-tuning on the bottom cohort with the encoder frozen below a layer: what is near the sound stays as it is."""

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.mitigation.layers import parameters_below
from evenvoice.params import Frozen


def plan_frozen(situation: Situation, settings: Frozen) -> Plan:
    """Train on the bottom speakers, and leave the lower part of the encoder alone."""
    return Plan(indices=situation.indices_of(situation.bottom_speakers),
                frozen=parameters_below(situation.recogniser.transducer, settings.below))


ARM = Arm(title="Fine-tuning, lower layers frozen", plan=plan_frozen)
