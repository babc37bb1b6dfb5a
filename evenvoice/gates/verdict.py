"""The gate's answer: PASS, FAIL or INSUFFICIENT, why, and what was found on each count.

Bounds are one-sided, each at ``gate.confidence``: ``_at_least`` holds for all counts of the gate at once, ``_at_most``
for this one. Intervals, which are two-sided, stand in the tables of the evaluation.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Outcome = Literal["PASS", "FAIL", "INSUFFICIENT"]
Decision = Literal["within", "exceeds", "undecided", "unjudgeable", "reference"]
"""``reference`` is a top cohort that others are compared with; ``unjudgeable`` is too small to say anything about."""


@dataclass(frozen=True, kw_only=True)
class Whole:
    """WER of everyone; ``max_wer`` is its limit."""

    speakers: int
    words: int
    wer: float | None
    wer_at_least: float | None
    wer_at_most: float | None
    decision: Decision
    missing_speakers: int | None


@dataclass(frozen=True, kw_only=True)
class CohortFinding:
    """One cohort beside the top cohort of its method.

    Attributes:
        gap: (W_cohort - W_top) / W_top.
        missing_speakers: how many more of this cohort, and in proportion of the top, would decide; None where the
            estimate itself is beyond the limit or nothing is missing.
    """

    method: str
    cohort: str
    top: str
    rule: str
    speakers: int
    words: int
    wer: float | None
    gap: float | None
    gap_at_least: float | None
    gap_at_most: float | None
    decision: Decision
    missing_speakers: int | None


@dataclass(frozen=True, kw_only=True)
class Regression:
    """Challenger against base on the same speakers: (W_challenger - W_base) / W_base."""

    scope: str
    speakers: int
    relative: float
    relative_at_least: float
    relative_at_most: float
    decision: Decision
    missing_speakers: int | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All of reports/verdict.json."""

    verdict: Outcome
    reasons: tuple[str, ...]
    limits: dict[str, float]
    challenger: str
    base: str
    whole: Whole
    cohorts: tuple[CohortFinding, ...]
    regression: tuple[Regression, ...]
    labelled: str
    """What the speech is called: recorded, synthetic, or semi-synthetic."""
    speakers_overlap: bool
    origins: dict[str, Any]
    """As :class:`evenvoice.origins.Origins` gives it."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; ``regression`` by scope: ``whole``, or ``<method>/<top cohort>``."""
        content = asdict(self)
        content["regression"] = {found.pop("scope"): found for found in content["regression"]}
        content["cohorts"], content["reasons"] = list(content["cohorts"]), list(self.reasons)
        return content
