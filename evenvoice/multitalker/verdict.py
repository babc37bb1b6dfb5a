"""The gate's answer about a recogniser of several talkers: PASS, FAIL or INSUFFICIENT, why, and each count.

Bounds are one-sided, each at ``multitalker_gate.confidence``: ``at_least`` holds for all counts of the gate at once,
``at_most`` for this one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from evenvoice.gates.verdict import Decision, Outcome, Whole

Kind = Literal["wer", "cut"]


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Share of everyone's turns that are cut off; ``max_cut`` is its limit."""

    speakers: int
    turns: int
    cut: float | None
    cut_at_least: float | None
    cut_at_most: float | None
    decision: Decision
    missing_speakers: int | None


@dataclass(frozen=True, kw_only=True)
class GroupFinding:
    """One figure of one group.

    Attributes:
        against: the top group of its grouping, which word errors are compared with.
        kind: ``wer``, errors per word; or ``cut``, the share of turns that are cut off.
        rate: the figure itself, of this group.
        gap: (rate of the group - rate of the top group) / rate of the top group; None for ``cut``, which has a limit
            that is the same for everybody.
        at_least, at_most: bounds of the gap, and of the rate where the kind is ``cut``.
    """

    partition: str
    group: str
    against: str
    kind: Kind
    speakers: int
    words: int
    turns: int
    rate: float | None
    gap: float | None
    at_least: float | None
    at_most: float | None
    decision: Decision
    missing_speakers: int | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All of reports/multitalker/verdict.json.

    Attributes:
        reasons, undecided, further: as those of a recogniser's verdict.
        labelled: what the speech is called.
    """

    verdict: Outcome
    reasons: tuple[str, ...]
    undecided: tuple[str, ...]
    further: tuple[str, ...]
    limits: dict[str, Any]
    challenger: str
    base: str
    whole: Whole
    cut: Cut
    groups: tuple[GroupFinding, ...]
    labelled: str
    speakers_overlap: bool
    origins: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {name: list(part) if isinstance(part, tuple) else part for name, part in asdict(self).items()}
