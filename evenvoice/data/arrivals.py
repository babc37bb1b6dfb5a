"""What came in, as the summary and the report tell it: who was written in several ways, markup, where speakers are.

Memory grows with speakers, not with recordings.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from evenvoice.data.corpora.recording import Recording
from evenvoice.data.markup import Tally

HELD_SPELLINGS: Final = 100
"""Of one speaker; further ones are not counted."""


@dataclass
class Arrivals:
    """Counts over the descriptions of recordings."""

    markup: Tally
    postal_codes: dict[str, str | None] = field(default_factory=dict)
    """Of each speaker the first one known."""
    _others: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Hashes of how a speaker is written other than by their name."""
    _by_name: set[str] = field(default_factory=set)

    def add(self, found: Recording, passed: Recording) -> None:
        """Count a recording as it was found, and as it passed the rules for descriptions."""
        if self.postal_codes.get(passed.speaker) is None:
            self.postal_codes[passed.speaker] = passed.postal_code
        if found.speaker == passed.speaker:
            self._by_name.add(passed.speaker)
        elif len(self._others[passed.speaker]) < HELD_SPELLINGS:
            self._others[passed.speaker].add(hash(found.speaker))

    @property
    def spellings_merged(self) -> int:
        """Spellings of speakers' names beyond one for each speaker."""
        return sum(len(others) - (name not in self._by_name) for name, others in self._others.items())

    def summary(self) -> dict[str, object]:
        """Entries of summary.json."""
        return {"speaker_spellings_merged": self.spellings_merged, "markup": self.markup.summary()}


def bounding_box(speakers: Iterable[dict[str, Any]]) -> dict[str, int | None]:
    """Where speakers are, in whole degrees rounded outwards: shows swapped columns, and nobody's place.

    Args:
        speakers: rows of the SPEAKERS table; someone in several splits is counted once.
    """
    places = {row["speaker"]: (row["lat"], row["lon"]) for row in speakers if row["lat"] is not None}
    if not places:
        return {"speakers": 0, "south": None, "north": None, "west": None, "east": None}
    lats, lons = zip(*places.values(), strict=True)
    return {"speakers": len(places), "south": math.floor(min(lats)), "north": math.ceil(max(lats)),
            "west": math.floor(min(lons)), "east": math.ceil(max(lons))}
