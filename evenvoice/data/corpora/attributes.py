"""Attributes of speakers, brought to one spelling and made coarse."""

from __future__ import annotations

from typing import Final

_GENDERS: Final = {"m": "male", "f": "female"}
_BAND_STARTS: Final = (0, 18, 25, 35, 45, 55, 65)


def gender(value: str | None) -> str | None:
    """Spell out Kaldi's and LibriSpeech's letters; other words stay, in lower case."""
    return _GENDERS.get(value.lower(), value.lower()) if value else None


def age_band(value: str | None) -> str | None:
    """Turn an age in years into a band such as ``25-34``; words such as ``twenties`` are bands already."""
    if not value:
        return None
    try:
        years = float(value)
    except ValueError:
        return value
    start = max((start for start in _BAND_STARTS if start <= years), default=None)
    if start is None:  # a negative age or NaN says nothing
        return None
    if start == _BAND_STARTS[-1]:
        return f"{start}+"
    following = _BAND_STARTS[_BAND_STARTS.index(start) + 1]
    return f"{start}-{following - 1}"
