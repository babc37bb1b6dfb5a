"""What wanted.json holds, and the sentence that it comes to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One point of the curve as the page draws it: WERs of both cohorts after a training.

    Bounds are those of the speakers who were measured, at the confidence of the forecast.
    """

    speakers: int
    bottom_wer: float
    bottom_wer_low: float
    bottom_wer_high: float
    top_wer: float


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """All of wanted.json but its origin.

    Attributes:
        refused: why nothing is forecast; empty where something is.
        method, cohort, top: who, and beside whom.
        limit: relative gap that is aimed at.
        speakers: training speakers of the cohort now; ``hours`` their speech.
        points: what was trained and measured.
        lacking: how many more would give it the share of the training speakers that it has of everybody; 0 where it
            has that share.
        others: what everybody else's speech is worth to the cohort, in training speakers of its own.
        gap_along: training speakers and the gap with them, along the curve.
        gap: to the top cohort now, as the curve has it.
        more_speakers: how many more bring the gap to the limit; bounds are None beyond what the points bear.
        more_hours: of speech, if they speak as much as those who are there.
        gap_with_due: what a run would measure in which it had that share.
    """

    refused: str
    method: str
    cohort: str | None = None
    top: str | None = None
    limit: float | None = None
    speakers: int | None = None
    hours: float | None = None
    lacking: int | None = None
    points: tuple[Trained, ...] = ()
    others: dict[str, float] | None = None
    gap_along: tuple[tuple[float, float], ...] = ()
    gap: dict[str, float] | None = None
    more_speakers: dict[str, int | None] | None = None
    more_hours: float | None = None
    gap_with_due: dict[str, float] | None = None


def in_words(found: Forecast) -> str:
    """One sentence for verdict, page and console."""
    if found.refused:
        return f"How much more speech would help is not forecast: {found.refused}."
    assert found.more_speakers is not None
    assert found.more_hours is not None
    assert found.limit is not None
    return (f"About {found.more_speakers['estimate']} ({between(found)}) more training speakers of {found.cohort}, "
            f"{found.more_hours:.1f} hours of speech, would bring its gap to the limit of {100 * found.limit:.0f} %, "
            f"going by trainings with {_and([str(point.speakers) for point in found.points])} of them; "
            f"{found.lacking} more would give it its share of the training speakers.")


def between(found: Forecast) -> str:
    """The interval of how many more speakers are wanted."""
    assert found.more_speakers is not None
    low, high = found.more_speakers["low"], found.more_speakers["high"]
    return f"at least {low}" if high is None else f"{low} to {high}"


def _and(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
