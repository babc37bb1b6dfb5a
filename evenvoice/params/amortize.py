"""A base model that works only where that is worth it, and the control that it is compared with."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from evenvoice.params.section import Section
from evenvoice.params.values import NONE, Positive, Share, ShareOrNone

DENSE: Final = "dense"
"""The base model trained on without gates: the control of the other."""
AMORTIZED: Final = "amortized"
"""The base model trained on with gates."""
GATED_ENCODERS: Final = ("transformer",)
"""Encoders whose parts can be switched off by frame."""


class Amortize(Section):
    """The base model trained on with gates that switch parts of its encoder off, frame by frame, and without them."""

    enabled: bool = Field(description="Whether a run makes and judges the amortized model and its dense control. Needs "
                                      "train.encoder: transformer, whose sub-blocks can be switched off.")
    steps: Positive = Field(description="Optimiser steps, the same for both.")
    learning_rate: float = Field(gt=0, le=1, description="Peak learning rate, the same for both.")
    target: ShareOrNone = Field(description="Share of the dense encoder's multiply-accumulates that is aimed at; with "
                                            "none, weight rewards every bit less.")
    weight: float = Field(ge=0, le=1000, description="Nats per label that all of the dense encoder's work costs, or "
                                                     "that being off the target by all of it costs.")
    warmup_share: Share = Field(description="Share of the steps over which the weight rises to its value.")
    arbitrators: Literal["each", "one"] = Field(
        description="Who decides: each sub-block's own network, which sees what that sub-block would work on; or one "
                    "for all of them, which sees the stem's output.")
    hidden: int = Field(ge=1, le=1024, description="Width of an arbitrator's hidden layer.")

    @property
    def wanted_share(self) -> float | None:
        """The target as a number; None where there is none."""
        return None if self.target == NONE else float(self.target)
