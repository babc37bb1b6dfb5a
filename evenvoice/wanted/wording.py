"""The forecast as sentences."""

from __future__ import annotations

from evenvoice.wanted.forecast import Forecast


def in_words(found: Forecast) -> str:
    """One sentence for verdict, page and console."""
    if found.refused:
        return f"How much more speech would help is not forecast: {found.refused}."
    assert found.more_speakers is not None
    assert found.more_hours is not None
    assert found.limit is not None
    return (f"About {found.more_speakers['estimate']} ({_between(found)}) more training speakers of {found.cohort}, "
            f"{found.more_hours:.1f} hours of speech, would bring its gap to the limit of {100 * found.limit:.0f} %, "
            f"going by trainings with {_and([str(point.speakers) for point in found.points])} of them.")


def _between(found: Forecast) -> str:
    assert found.more_speakers is not None
    low, high = found.more_speakers["low"], found.more_speakers["high"]
    return f"{low} or more" if high is None else f"{low} to {high}"


def _and(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
