"""Which arms run, for which cohort, and in how many trials."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from evenvoice.params.arms import ARMS, CONTROLS, MADE_FROM
from evenvoice.params.cohorts import Aim
from evenvoice.params.refusals import ONE_OF
from evenvoice.params.section import Section
from evenvoice.params.values import Positive


def _known_arm(name: str) -> str:
    if name not in ARMS:
        raise ValueError(f"{ONE_OF}{', '.join(ARMS)}")
    return name


def _judged_arms(arms: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(arms)) < len(arms):
        raise ValueError("Input should be a list that names each arm once")
    if arms and not set(arms) & set(CONTROLS):
        raise ValueError(f"Input should be a list with a control in it ({', '.join(CONTROLS)}): without one nobody can "
                         "tell what an arm does from what more training does")
    for arm, needed in MADE_FROM.items():
        if arm in arms and needed not in arms:
            raise ValueError(f"Input should be a list with {needed} in it, since {arm} is made from its model")
    return arms


class Trial(Section):
    """One way to train an arm."""

    steps: Positive = Field(description="Optimiser steps.")
    learning_rate: float = Field(gt=0, le=1, description="Peak learning rate.")


class Mitigate(Section):
    """Fine-tuning for the worst cohort, and its controls."""

    cohorts: Aim = Field(description="Which discovery says who is worst off. Declared groups overlap: to aim at some, "
                                     "watch those of an earlier run.")
    arms: Annotated[tuple[Annotated[str, AfterValidator(_known_arm)], ...],
                    Field(strict=False), AfterValidator(_judged_arms)] = Field(
        description="Arms that run: names of the section arms, in any order. The others are left out; an empty list "
                    "leaves out all.")
    bottom_share: float = Field(gt=0, le=1, description="Cohorts are taken from the worst upwards until they hold this "
                                                        "share of the training speakers.")
    trials: Annotated[tuple[Trial, ...], Field(strict=False, min_length=1)] = Field(
        description="Every arm is trained once as each of these says, and the training that serves validate speakers "
                    "best is kept. One trial leaves nothing to choose.")
