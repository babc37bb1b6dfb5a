"""Cohort input: the model is told each speaker's cohort (arXiv 2207.11345)."""

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.mitigation.telling import telling_plan
from evenvoice.params import CohortInput


def plan_cohort_input(situation: Situation, settings: CohortInput) -> Plan:
    """Tell the cohorts that the frozen rule placed the speakers in."""
    return telling_plan(situation, situation.placement, situation.cohorts.ranked, settings, situation.rule)


ARM = Arm(title="Cohort input", plan=plan_cohort_input)
