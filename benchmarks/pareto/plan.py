"""What is trained: every arm that the pipeline knows, at one value of each swept setting, and its controls.

An arm that is not in :data:`SWEPT` is trained once, as params.yaml has it; so a new arm needs no line here, and a curve
of it needs one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from evenvoice.mitigation import load_arm
from evenvoice.params import ARMS, CONTROLS, MADE_FROM

WEIGHTS: Final = (0.01, 0.03, 0.1, 0.3, 1.0)
SWEPT: Final[Mapping[str, tuple[str, tuple[float, ...]]]] = {
    "finetune": ("steps", (0.25, 0.5, 1.0, 2.0)),
    "l2sp": ("weight", WEIGHTS),
    "ewc": ("weight", WEIGHTS),
    "interpolate": ("shares", (0.25, 0.5, 0.75)),
    "oversample": ("factors", (2.0, 4.0, 8.0)),
}
"""Arm -> a setting of its own and the values of its curve. Steps are multiples of those of the first trial in
params.yaml or profile, which all other arms have: 100 of them make 25, 50, 100 and 200."""
STEPS: Final = "steps"
LISTS: Final = frozenset({"shares", "factors"})
"""Settings of which params.yaml wants one value for each trial."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One training, the same for every seed.

    Attributes:
        value: of the setting; None where the arm stays as it is.
        steps: optimiser steps.
        learning_rate: peak.
    """

    arm: str
    setting: str = ""
    value: float | None = None
    steps: int
    learning_rate: float

    @property
    def name(self) -> str:
        """Of its folder; no two points share it."""
        return self.arm if self.value is None else f"{self.arm}-{self.setting}-{self.value:g}"

    @property
    def said(self) -> str:
        """The value for people: ``weight 0.01``."""
        name = self.setting.removesuffix("s") if self.setting in LISTS else self.setting
        return "" if self.value is None else f"{name} {self.value:g}"

    @property
    def control(self) -> bool:
        """Trained only to be compared with."""
        return load_arm(self.arm).control

    @property
    def last_stage(self) -> str:
        """The stage that writes what it heard."""
        return f"transcribe@{self.arm}"

    def values(self) -> dict[str, Any]:
        """To lay over params.yaml. A control is set as its arm is, since nothing else is allowed."""
        settings = {}
        if self.value is not None and self.setting != STEPS:
            value = [self.value] if self.setting in LISTS else self.value
            alike = (self.arm, *(control for control, arm in CONTROLS.items() if arm == self.arm))
            settings = {"arms": {name: {self.setting: value} for name in alike}}
        trial = {"steps": self.steps, "learning_rate": self.learning_rate}
        return {"mitigate": {"arms": list(ARMS), "trials": [trial]}, **settings}

    def made_from(self, points: Collection[Point]) -> Point | None:
        """The point whose model this one changes instead of training: the other arm's with as many steps."""
        arm = MADE_FROM.get(self.arm)
        return next((point for point in points if point.arm == arm and point.steps == self.steps), None)


def points(settled: Mapping[str, Any], arms: Collection[str] = ARMS) -> list[Point]:
    """The plan of one corpus, in the order of every table.

    Args:
        settled: values of params.yaml and profile; the first of mitigate.trials is how all are trained.
        arms: only these, and what they are made from.
    """
    asked = {*arms, *(MADE_FROM[arm] for arm in arms if arm in MADE_FROM)}
    trial = settled["mitigate"]["trials"][0]
    return [point for arm in ARMS if arm in asked for point in _of_arm(arm, trial)]


def _of_arm(arm: str, trial: Mapping[str, Any]) -> list[Point]:
    if arm not in SWEPT:
        return [Point(arm=arm, **trial)]
    setting, values = SWEPT[arm]
    if setting != STEPS:
        return [Point(arm=arm, setting=setting, value=value, **trial) for value in values]
    steps = sorted({max(1, round(factor * trial["steps"])) for factor in values})
    return [Point(arm=arm, setting=STEPS, value=count, **{**trial, "steps": count}) for count in steps]
