"""Less computation as a part of the loss, for an encoder whose gates decide what works.

    loss = losses per label + w(t) * C             with a weight alone
    loss = losses per label + w(t) * |C - target|  with a target

C is the share of the dense encoder's multiply-accumulates that was executed on the frames of speech, not of padding
(Y. Xie et al., arXiv 2207.02393). The weight rises from 0 to its value over ``warmup_share`` of the steps; the
temperature of the gates falls from ``first`` to ``last`` by a constant factor per step [design].
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from evenvoice.models.gates import Work, gating
from evenvoice.training.schedule import risen

FIRST_TEMPERATURE: Final = 2.0
LAST_TEMPERATURE: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Amortising:
    """How much a training rewards less computation.

    Attributes:
        weight: nats per label that the whole of the dense encoder's work costs, or that a distance of 1 from the
            target costs. 0 rewards nothing; the share is counted all the same.
        target: share of the work that is aimed at; None rewards every bit less.
        warmup_share: of the steps, over which the weight rises to its value.
    """

    weight: float
    target: float | None = None
    warmup_share: float = 0.25

    @property
    def identity(self) -> str:
        """All that decides a training's result."""
        return f"amortising {self.weight} {self.target} {self.warmup_share} {FIRST_TEMPERATURE} {LAST_TEMPERATURE}"

    @contextmanager
    def gated(self, step: int, steps: int) -> Iterator[list[Work]]:
        """Within, gates are drawn at the temperature of this step and leave in the list what they did."""
        with gating(temperature(step, steps)) as work:
            yield work

    def term(self, share: Tensor, step: int, steps: int) -> Tensor:
        """What the executed share () adds to the loss of this step."""
        weight = self.weight * risen(step, steps=steps, share=self.warmup_share)
        return weight * (share if self.target is None else (share - self.target).abs())


def temperature(step: int, steps: int) -> float:
    """Of the gates in one step of a training of ``steps``."""
    done = step / max(1, steps - 1)
    return float(FIRST_TEMPERATURE * (LAST_TEMPERATURE / FIRST_TEMPERATURE) ** done)
