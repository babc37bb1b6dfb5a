"""Whether the postal codes of speakers are those of the census; where they are not, nobody has statistics.

Cohort discovery falls back to other attributes then, which is no error to it: hence the check where both come in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from evenvoice.data.schemas import CENSUS_KEY
from evenvoice.errors import CorpusError

USELESS: Final = 0.9
"""Of the speakers who have a code, the share without a match at which the census is refused."""
EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Match:
    """How many speakers a census tells something about."""

    rows: int
    """Postal codes in the census."""
    speakers: int
    with_code: int
    """Speakers who have a postal code."""
    matched: int
    """Speakers whose postal code is in the census."""

    @property
    def share_without(self) -> float:
        """Of all speakers, those with no or another code."""
        return 1 - self.matched / self.speakers if self.speakers else 0.0

    @property
    def useless(self) -> bool:
        """Whether it says nothing about nearly all who have a code; that few have one is shown, and is no fault."""
        return self.with_code - self.matched >= USELESS * self.with_code

    def summary(self) -> dict[str, float]:
        """What summary.json says of it."""
        return {**asdict(self), "share_without_match": round(self.share_without, 4)}


def match(speakers: Collection[str | None], census: pa.Table) -> Match:
    """Count matches; ``speakers`` are the postal codes of all speakers, None for one who has none."""
    known = set(_keys(census))
    return Match(rows=len(known), speakers=len(speakers), with_code=sum(code is not None for code in speakers),
                 matched=sum(code in known for code in speakers))


def demand_match(speakers: Collection[str | None], census: pa.Table, *, name: str) -> None:
    """Refuse a census that says nothing about nearly all speakers who have a postal code.

    Args:
        speakers: the postal code of each speaker, None for one who has none.
        census: as :func:`evenvoice.data.census.checked_census` leaves it.
        name: how errors name the census.

    Raises:
        CorpusError: at least ``USELESS`` of those have no match, or nobody has a code; it shows codes of both sides
            and says what to do about their difference.
    """
    found = match(speakers, census)
    if not found.useless:
        return
    keys = _keys(census)
    strange = sorted({code for code in speakers if code is not None} - set(keys))
    sides = f"speakers have {_examples(strange)}, the census has {_examples(sorted(keys))}"
    raise CorpusError(
        name=f"census {name}", rule=f"hold the codes of more than {1 - USELESS:.0%} of the speakers who have one",
        value=f"those of {found.matched} of {found.with_code} ({sides})",
        action=_advice(found, strange, keys))


def _keys(census: pa.Table) -> list[str]:
    keys: list[str] = census[CENSUS_KEY.name].to_pylist()
    return keys


def _examples(codes: Sequence[str]) -> str:
    return ", ".join(map(repr, codes[:EXAMPLES])) or "none"


def _advice(found: Match, strange: Sequence[str], keys: Sequence[str]) -> str:
    if found.rows == 0:
        return "The census is empty: correct it, or clear ingest.census."
    if not found.with_code:
        return ("Fill in the column postal_code (a manifest can have one, Kaldi and LibriSpeech cannot), or clear "
                "ingest.census.")
    for bring, words in DIFFERENCES:
        alike = set(map(bring, keys))
        if 2 * sum(bring(code) in alike for code in strange) >= len(strange):
            return words
    lengths, others = _lengths(strange), _lengths(keys)
    if lengths != others:
        return (f"The codes of speakers have {lengths} characters, those of the census {others}: bring both to one "
                "system of codes, or clear ingest.census.")
    return "Check that both are of one country and one system of codes, or clear ingest.census."


def _without_spaces(code: str) -> str:
    return "".join(char for char in code if not char.isspace() and char != "-")


def _without_zeros(code: str) -> str:
    return code.lstrip("0")


DIFFERENCES: Final[tuple[tuple[Callable[[str], str], str], ...]] = (
    (_without_zeros, "Leading zeros were lost on one side: write the codes there as text, with their zeros."),
    (str.casefold, "They differ in upper and lower case: write them alike on both sides."),
    (_without_spaces, "They differ in spaces or hyphens: write them alike on both sides."),
)
"""What codes are often different in though they mean the same, and what to do about it."""


def _lengths(codes: Sequence[str]) -> str:
    lengths = sorted({len(code) for code in codes})
    return f"{lengths[0]}" if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}"
