"""The control of adversarial reweighting: the adversary's weights, each on a random recording of the batch.

What it gains is the effect of more steps and of noisier batches, not of knowing whose recordings count.
"""

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.mitigation.game import plan_game
from evenvoice.params import Reweight


def plan_reweight_random(situation: Situation, settings: Reweight) -> Plan:
    """Weigh recordings as the adversary says of others."""
    return plan_game(situation, settings, permuted=True)


ARM = Arm(title="Reweighting at random", plan=plan_reweight_random, control=True)
