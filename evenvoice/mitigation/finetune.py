"""Plain fine-tuning on the bottom cohort: nothing guards what the model knew of everyone else."""

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.params import NoSettings


def plan_finetune(situation: Situation, _settings: NoSettings) -> Plan:
    """Train on the bottom speakers alone."""
    return Plan(indices=situation.indices_of(situation.bottom_speakers))


ARM = Arm(title="Plain fine-tuning", plan=plan_finetune)
