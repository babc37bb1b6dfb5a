"""Interpolation: weights between those of the base model and of the fine-tuned one (WiSE-FT, arXiv 2109.01903).

Nothing is trained. A stage of its own makes the model, since it reads the one of another arm.
"""

from __future__ import annotations

import torch

from evenvoice.mitigation.arm import Arm
from evenvoice.models.recogniser import Recogniser


@torch.no_grad()
def move_towards(recogniser: Recogniser, other: Recogniser, share: float) -> None:
    """Replace each weight w of ``recogniser`` by (1 - share) w + share w', w' being that of ``other``."""
    theirs = dict(other.transducer.named_parameters())
    for name, parameter in recogniser.transducer.named_parameters():
        parameter.lerp_(theirs[name], share)


ARM = Arm(title="Interpolation with the base model", plan=None)
