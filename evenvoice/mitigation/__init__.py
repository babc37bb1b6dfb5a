"""Fine-tuning for the cohort that is worst off: one file per arm behind one protocol, with its control."""

from importlib import import_module

from evenvoice.mitigation.arm import Arm, Plan, Situation


def load_arm(name: str) -> Arm:
    """The arm that evenvoice/mitigation/<name>.py describes; ``name`` is one of :data:`evenvoice.params.ARMS`.

    Imported by name, so that the file of a new arm is all of its code.
    """
    found: Arm = import_module(f"evenvoice.mitigation.{name}").ARM
    return found


__all__ = ["Arm", "Plan", "Situation", "load_arm"]
