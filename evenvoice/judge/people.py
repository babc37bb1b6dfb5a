"""What is declared of each speaker: by the rows of the recordings themselves, or by a table of speakers beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from evenvoice.data.corpora import attributes
from evenvoice.data.corpora.manifest import AGE, age, further
from evenvoice.data.corpora.rows import Row, read_rows
from evenvoice.data.declared import CHANGES
from evenvoice.errors import CorpusError
from evenvoice.judge.utterances import SPEAKER
from evenvoice.params import OWN_COLUMNS

SPELLED: Final[Mapping[str, tuple[str, ...]]] = {"age_band": AGE, "accent": ("accent", "accents")}
"""What columns of :data:`OWN_COLUMNS` may be called, where they have other names too."""
LATITUDE: Final = ("lat", "latitude")
LONGITUDE: Final = ("lon", "longitude")


@dataclass
class People:
    """Declared values and places, one of each kind for each speaker.

    Attributes:
        by: columns whose groups are to be judged; None for those of :data:`OWN_COLUMNS` that there are.
    """

    by: tuple[str, ...] | None
    _values: dict[str, dict[str, str]] = field(default_factory=dict)
    _places: dict[str, tuple[float, float]] = field(default_factory=dict)
    _columns: set[str] = field(default_factory=set)

    def read(self, path: Path) -> None:
        """Take in a table of speakers.

        Raises:
            CorpusError: malformed, a row without a speaker, or two values of one speaker.
        """
        self.take_rows(read_rows(path))

    def take_rows(self, rows: Iterable[Row]) -> None:
        """Take in the rows of a table of speakers.

        Raises:
            CorpusError: a row without a speaker, or two values of one speaker.
        """
        for row in rows:
            speaker = row.text(*SPEAKER)
            if speaker is None:
                raise CorpusError(name=row.where, rule=f"name a speaker ({' or '.join(SPEAKER)})", value="nothing",
                                  action="Fill in or rename the column.")
            self.take(speaker, row)

    def take(self, speaker: str, row: Row) -> None:
        """Take in what a row says of its speaker.

        Raises:
            CorpusError: something else than an earlier row, or a value of a wrong type.
        """
        self._columns |= row.values.keys()
        known = self._values.setdefault(speaker, {})
        for column, value in _declared(row, self.by or ()).items():
            first = known.setdefault(column, value)
            if first != value and column != CHANGES:
                raise CorpusError(name=f"speaker {speaker!r} in {row.where}", rule=f"have one {column}",
                                  value=f"{value!r}, and {first!r} before",
                                  action="Correct one of the two, or leave it empty where it is not known.")
        lat, lon = row.number_or_none(*LATITUDE), row.number_or_none(*LONGITUDE)
        if lat is not None and lon is not None:
            self._places.setdefault(speaker, (lat, lon))

    def columns(self, speakers: Sequence[str]) -> tuple[str, ...]:
        """Those that make groups of these speakers.

        Raises:
            CorpusError: a column that was asked for is not there, or makes no groups.
        """
        if self.by is None:
            return tuple(column for column in OWN_COLUMNS if len(set(self._counts(column, speakers))) > 1)
        for column in self.by:
            self._check(column, speakers)
        return self.by

    def values(self, column: str, speakers: Sequence[str]) -> list[str | None]:
        """Of these speakers; None where it is not known."""
        return [self._values.get(speaker, {}).get(column) for speaker in speakers]

    def place(self, speaker: str) -> tuple[float | None, float | None]:
        """Latitude and longitude in degrees, both or neither."""
        return self._places.get(speaker, (None, None))

    def has_places(self) -> bool:
        """Whether anybody has one."""
        return bool(self._places)

    def _counts(self, column: str, speakers: Sequence[str]) -> Counter[str]:
        return Counter(value for value in self.values(column, speakers) if value is not None)

    def _check(self, column: str, speakers: Sequence[str]) -> None:
        if not {column, *SPELLED.get(column, ())} & self._columns:
            raise CorpusError(name=f"--by {column}", rule="name a column that there is",
                              value=f"only {', '.join(sorted(self._columns)) or 'none'}",
                              action="Correct the name, or add the column.")
        counts = self._counts(column, speakers)
        if len(counts) < 2:
            found = f"{next(iter(counts))!r} for every speaker" if counts else "none for any speaker"
            raise CorpusError(name=f"--by {column}", rule="have two values or more", value=found,
                              action="Leave it out: it makes no groups.")
        if len(counts) == sum(counts.values()):
            raise CorpusError(name=f"--by {column}", rule="have fewer values than speakers",
                              value=f"{len(counts)} values of {len(counts)} speakers",
                              action="Leave it out: it names people rather than groups.")


def _declared(row: Row, asked: Sequence[str]) -> dict[str, str]:
    own = {"gender": attributes.gender(row.text("gender")), "age_band": attributes.age_band(age(row)),
           "accent": attributes.told(row.text(*SPELLED["accent"])), "country": attributes.told(row.text("country"))}
    known = {column: value for column, value in own.items() if value is not None}
    return known | dict(further(row, [column for column in asked if column not in own]))
