"""The gate's answer: PASS, FAIL or INSUFFICIENT, why, and what was found on each count.

Bounds are one-sided, each at ``gate.confidence``: ``_at_least`` holds for all counts of the gate at once, ``_at_most``
for this one. Intervals, which are two-sided, are those of the evaluation; here they stand under ``healed`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from evenvoice.metrics.healing import Healed

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
    """All of reports/verdict.json.

    Attributes:
        reasons: what decided, at most :data:`evenvoice.gates.reasons.MOST` lines; the rest by number.
        undecided: every undecided check, the one that needs fewest speakers first.
        further: what else would be a reason, and did not fit.
        healed: what the challenger changed; None where the base model stays.
        wanted: how much more speech of whom would heal the bottom cohort, or why that is not forecast.
    """

    verdict: Outcome
    reasons: tuple[str, ...]
    undecided: tuple[str, ...]
    further: tuple[str, ...]
    limits: dict[str, float]
    challenger: str
    base: str
    whole: Whole
    cohorts: tuple[CohortFinding, ...]
    regression: tuple[Regression, ...]
    healed: Healed | None
    wanted: Mapping[str, Any] | None
    labelled: str
    """What the speech is called: recorded, synthetic, or semi-synthetic."""
    speakers_overlap: bool
    origins: dict[str, Any]
    """As :class:`evenvoice.origins.Origins` gives it."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; ``regression`` by scope: ``whole``, or ``<method>/<top cohort>``."""
        content = asdict(self)
        content["regression"] = {found.pop("scope"): found for found in content["regression"]}
        content["healed"] = None if self.healed is None else self.healed.to_json()
        return {name: list(part) if isinstance(part, tuple) else part for name, part in content.items()}
