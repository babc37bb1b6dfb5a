"""Adversarial reweighting: everyone is trained on, and whoever the recogniser serves badly comes to count more."""

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.mitigation.game import plan_game
from evenvoice.params import Reweight


def plan_reweight(situation: Situation, settings: Reweight) -> Plan:
    """Weigh recordings as the adversary says."""
    return plan_game(situation, settings, permuted=False)


ARM = Arm(title="Adversarial reweighting", plan=plan_reweight)
