"""What corpora say of speakers, brought to one spelling and made coarse by one table, which has a version.

A value that the table does not know is kept as it is, and counted (evenvoice.data.declared). docs/speech-in.md has the
table in words; whoever changes it raises :data:`VALUES_VERSION` there and here.
"""

from __future__ import annotations

import re
from typing import Final

from evenvoice.data.spelling import one_spelling

VALUES_VERSION: Final = 1

_UNTOLD: Final = frozenset({"unknown", "unspecified", "not specified", "undisclosed", "prefer not to say",
                            "do not wish to say"})
_UNTOLD_OF_PEOPLE: Final = _UNTOLD | {"n/a", "na", "nan", "none", "null", "-", "?"}
"""Beside a gender or an age; elsewhere NA may be a country, and none the noise."""
_GENDERS: Final = {
    **dict.fromkeys(("f", "female", "feminine", "female feminine", "woman"), "female"),
    **dict.fromkeys(("m", "male", "masculine", "male masculine", "man"), "male"),
    **dict.fromkeys(("non-binary", "non binary", "nonbinary", "nb"), "non-binary"),
    **{word: word for word in ("intersex", "other", "transgender")}}
_BAND_STARTS: Final = (0, 18, 25, 35, 45, 55, 65)
_OLDEST: Final = 120
_DECADES: Final = {
    "teens": 10, "twenties": 20, "thirties": 30, "forties": 40, "fourties": 40, "fifties": 50, "sixties": 60,
    "seventies": 70, "eighties": 80, "nineties": 90}
_BIRTHS: Final = range(1900, 2101)
_FROM_TO: Final = re.compile(r"(\d{1,3}) ?(?:-|–|to) ?(\d{1,3})")
_AND_MORE: Final = re.compile(r"(\d{1,3}) ?\+|>= ?(\d{1,3})|(\d{1,3}) (?:and|or) (?:over|older)")
_BELOW: Final = re.compile(r"(?:<|under) ?(\d{1,3})")
_KNOWN_BAND: Final = re.compile(r"\d{1,3}-\d{1,3}|\d{1,3}\+|born \d{4}-\d{4}")


def gender(value: str | None) -> str | None:
    """Spell out letters and Common Voice's words; other words stay, in lower case."""
    word = _plain(value)
    return None if not word or word in _UNTOLD_OF_PEOPLE else _GENDERS.get(word, one_spelling(value or "").lower())


def age_band(value: str | None) -> str | None:
    """Turn an age in years, a decade, a year of birth or a range into a band such as ``25-34``; other words stay.

    A year of birth gives the decade of birth: how old someone was depends on when they were recorded.
    """
    word = _plain(value)
    if not word or word in _UNTOLD_OF_PEOPLE:
        return None
    if word in _DECADES:
        return f"{_DECADES[word]}-{_DECADES[word] + 9}"
    if match := _FROM_TO.fullmatch(word):
        return f"{int(match[1])}-{int(match[2])}"
    if match := _AND_MORE.fullmatch(word):
        return f"{int(next(filter(None, match.groups())))}+"
    if (match := _BELOW.fullmatch(word)) and int(match[1]) > 0:
        return f"0-{int(match[1]) - 1}"
    try:
        return _band_of(float(word), one_spelling(value or ""))
    except ValueError:
        return one_spelling(value or "")


def _band_of(years: float, written: str) -> str | None:
    if years in _BIRTHS:
        decade = int(years) // 10 * 10
        return f"born {decade}-{decade + 9}"
    if years > _OLDEST:
        return written
    start = max((start for start in _BAND_STARTS if start <= years), default=None)
    if start is None:  # a negative age says nothing
        return None
    if start == _BAND_STARTS[-1]:
        return f"{start}+"
    following = _BAND_STARTS[_BAND_STARTS.index(start) + 1]
    return f"{start}-{following - 1}"


def told(value: str | None) -> str | None:
    """Any other value as it was written, in one spelling; None where it says that nothing is known."""
    return None if _plain(value) in ("", *_UNTOLD) else one_spelling(value or "")


def in_table(column: str, value: str) -> bool:
    """Whether the table knows what came out of :func:`gender` or :func:`age_band`; other columns have no table."""
    if column == "gender":
        return value in _GENDERS.values()
    return column != "age_band" or _KNOWN_BAND.fullmatch(value) is not None


def _plain(value: str | None) -> str:
    """What is compared with the table: lower case, and an underscore is a space."""
    return one_spelling((value or "").replace("_", " ")).lower()
