"""A control of the cohort input: everyone is told the same.

What it gains is the effect of more steps on everyone and of one more bias, not of telling speakers apart.
"""

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.mitigation.telling import EVERYONE, constant, telling_plan
from evenvoice.params import CohortInput


def plan_cohort_input_constant(situation: Situation, settings: CohortInput) -> Plan:
    """Tell one cohort of everyone."""
    return telling_plan(situation, constant(situation.placement), (EVERYONE,), settings)


ARM = Arm(title="Cohort input, constant", plan=plan_cohort_input_constant, control=True)
