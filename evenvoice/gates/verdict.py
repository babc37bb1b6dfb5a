"""The gate's answer: PASS, FAIL or INSUFFICIENT, why, and what was found on each count.

Bounds are one-sided, each at ``gate.confidence``: ``_at_least`` holds for all counts of the gate at once, ``_at_most``
for this one. Intervals, which are two-sided, are those of the evaluation; here they stand under ``healed`` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    """One cohort beside what ``gate.reference`` says.

    Attributes:
        against: whom it is compared with: the name of the top cohort of its method, or who else.
        gap: (W_cohort - W_against) / W_against.
        missing_speakers: how many more of this cohort, and in proportion of the others, would decide; None where the
            estimate itself is beyond the limit or nothing is missing.
    """

    method: str
    cohort: str
    against: str
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
    """Challenger against another model on the same speakers: (W_challenger - W_other) / W_other."""

    scope: str
    against: str
    speakers: int
    relative: float
    relative_at_least: float
    relative_at_most: float
    decision: Decision
    missing_speakers: int | None


@dataclass(frozen=True, kw_only=True)
class Time:
    """Time that the challenger takes, as a share of that of its dense control, with a two-sided 90 % interval."""

    way: str
    ratio: float
    ratio_low: float
    ratio_high: float
    decision: Decision


@dataclass(frozen=True, kw_only=True)
class Saving:
    """What an amortized challenger saves against its dense control, and what that costs whom.

    Attributes:
        executed_share: of the encoder's work without gates that it does on test speakers.
        times: in a stream and in batches, as the machine that ran the stage measured them.
        regression: of everyone and of every cohort.
        sentence: of everyone, for people.
    """

    against: str
    executed_share: float | None
    times: tuple[Time, ...]
    regression: tuple[Regression, ...]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All of reports/verdict.json.

    Attributes:
        reasons: what decided, at most :data:`evenvoice.gates.reasons.MOST` lines; the rest by number.
        undecided: every undecided check, the one that needs fewest speakers first.
        further: what else would be a reason, and did not fit.
        healed: what the challenger changed; None where the base model stays.
        saving: what an amortized challenger saves; None for any other.
        wanted: how much more speech of whom would heal the bottom cohort, or why that is not forecast.
    """

    verdict: Outcome
    reasons: tuple[str, ...]
    undecided: tuple[str, ...]
    further: tuple[str, ...]
    limits: dict[str, Any]
    challenger: str
    base: str
    whole: Whole
    cohorts: tuple[CohortFinding, ...]
    regression: tuple[Regression, ...]
    saving: Saving | None
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
        content["regression"] = _by("scope", content["regression"])
        if self.saving is not None:
            content["saving"]["regression"] = _by("scope", content["saving"]["regression"])
            content["saving"]["times"] = _by("way", content["saving"]["times"])
        content["healed"] = None if self.healed is None else self.healed.to_json()
        return {name: list(part) if isinstance(part, tuple) else part for name, part in content.items()}


def _by(name: str, rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row[name]: {key: value for key, value in row.items() if key != name} for row in rows}
