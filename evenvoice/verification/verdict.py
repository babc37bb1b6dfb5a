"""The gate's answer about a verifier: PASS, FAIL or INSUFFICIENT, why, and what was found on each count.

Bounds are one-sided, each at ``verifier_gate.confidence``: ``_at_least`` holds for all counts of the gate at once,
``_at_most`` for this one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from evenvoice.gates.verdict import Decision, Outcome


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Equal error rate of everyone; ``max_eer`` is its limit."""

    speakers: int
    trials: int
    eer: float | None
    eer_at_least: float | None
    eer_at_most: float | None
    decision: Decision
    missing_speakers: int | None


@dataclass(frozen=True, kw_only=True)
class GroupFinding:
    """One kind of error of one group beside the top group of its grouping, both at the one threshold.

    Attributes:
        kind: ``miss`` or ``false_alarm``.
        gap: (rate of the group - rate of the top group) / rate of the top group.
    """

    partition: str
    group: str
    against: str
    kind: str
    speakers: int
    trials: int
    rate: float | None
    gap: float | None
    gap_at_least: float | None
    gap_at_most: float | None
    decision: Decision
    missing_speakers: int | None


@dataclass(frozen=True, kw_only=True)
class Regression:
    """Equal error rate of the challenger against the unweighted verifier's on the same speakers."""

    scope: str
    speakers: int
    relative: float
    relative_at_least: float
    relative_at_most: float
    decision: Decision
    missing_speakers: int | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All of reports/verifier/verdict.json.

    Attributes:
        reasons, undecided, further: as those of a recogniser's verdict.
        labelled: what the speech is called.
        within_recordings: all same-speaker trials are of pieces of one recording, so that they are easier than in use.
    """

    verdict: Outcome
    reasons: tuple[str, ...]
    undecided: tuple[str, ...]
    further: tuple[str, ...]
    limits: dict[str, Any]
    challenger: str
    base: str
    whole: Whole
    groups: tuple[GroupFinding, ...]
    regression: tuple[Regression, ...]
    labelled: str
    speakers_overlap: bool
    within_recordings: bool
    origins: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {name: list(part) if isinstance(part, tuple) else part for name, part in asdict(self).items()}
