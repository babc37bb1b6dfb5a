"""How models are compared and judged, what may be shown of it, and whether more speech is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field

from evenvoice.params.section import Section


class Wanted(Section):
    """How much more speech of the bottom cohort would heal it."""

    learn: bool = Field(description="Train the base model again with a quarter and with half of the bottom cohort's "
                                    "training speakers, and forecast how many more are wanted. Costs two trainings.")


Reference = Literal["top", "rest", "whole"]
PARTS: Final[Mapping[str, float]] = {"quarter": 0.25, "half": 0.5}
"""Parts of the bottom cohort's training speakers that the learning curve is measured with; the base has all."""


class Evaluate(Section):
    """Bootstrap over speakers."""

    replicates: int = Field(ge=200, le=100_000, description="Bootstrap replicates.")
    confidence: float = Field(gt=0.5, lt=1, description="Coverage of every interval.")
    null_partitions: int = Field(ge=20, description="Random partitions of the same sizes behind the null gap.")


class Gate(Section):
    """Limits of the fairness gate."""

    max_gap: float = Field(gt=0, description="Largest tolerated (W_cohort - W_reference) / W_reference of any cohort.")
    reference: Reference = Field(description="What a cohort is compared with: the top cohort of its method, the rest "
                                             "of the speakers, or the whole, which it is a part of.")
    max_wer: float = Field(gt=0, le=1, description="Largest tolerated WER of the whole.")
    regression_margin: float = Field(ge=0, description="Relative rise of WER, of the whole or of the top cohort "
                                                       "against the base model, that still counts as not worse.")
    saving_margin: float = Field(ge=0, description="Relative rise of WER, of the whole or of any cohort, of the "
                                                   "amortized model against its dense control that a saving is worth.")
    confidence: float = Field(gt=0.5, lt=1, description="Confidence of each decision, simultaneous over cohorts.")
    min_speakers: int = Field(ge=2, description="A cohort with fewer test speakers cannot be judged.")


class Report(Section):
    """What may be published."""

    min_speakers: int = Field(ge=1, description="Cohorts with fewer speakers are not shown.")
