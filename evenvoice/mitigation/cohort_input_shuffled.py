"""A control of the cohort input: every speaker is told the cohort of another one.

What it gains is the effect of more steps on everyone and of more numbers to learn, not of knowing who speaks.
"""

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.mitigation.telling import shuffled, telling_plan
from evenvoice.params import CohortInput


def plan_cohort_input_shuffled(situation: Situation, settings: CohortInput) -> Plan:
    """Tell cohorts that were permuted across speakers, once and for all."""
    return telling_plan(situation, shuffled(situation.placement, situation.seed), situation.cohorts.ranked,
                        settings)


ARM = Arm(title="Cohort input, shuffled", plan=plan_cohort_input_shuffled, control=True)
