"""Fine-tuning for the cohort that is worst off: one file per arm behind one protocol, with its control."""

from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.mitigation.ewc import plan_ewc
from evenvoice.mitigation.finetune import plan_finetune
from evenvoice.mitigation.l2sp import plan_l2sp
from evenvoice.mitigation.oversample import plan_oversample
from evenvoice.mitigation.placebo import plan_placebo

ARMS: dict[str, Arm] = {
    "finetune": plan_finetune,
    "l2sp": plan_l2sp,
    "ewc": plan_ewc,
    "oversample": plan_oversample,
    "placebo": plan_placebo,
}

__all__ = ["ARMS", "Arm", "Plan", "Situation"]
