"""What is declared of each speaker: by the rows of the recordings themselves, or by a table of speakers beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Final

from evenvoice.data.corpora import attributes
from evenvoice.data.corpora.files import shown
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
    _listed: set[str] = field(default_factory=set)
    """Speakers in tables of their own."""

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
            self._listed.add(speaker)
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
                                  value=f"{shown(value)}, and {shown(first)} before",
                                  action="Correct one of the two, or leave it empty where it is not known.")
        lat, lon = _degrees(row, LATITUDE, 90), _degrees(row, LONGITUDE, 180)
        if lat is not None and lon is not None:
            self._places.setdefault(speaker, (lat, lon))

    def columns(self, speakers: Sequence[str]) -> tuple[str, ...]:
        """Those that make groups of these speakers.

        Raises:
            CorpusError: a column that was asked for is not there, or makes no groups.
        """
        if self.by is None:
            return tuple(column for column in OWN_COLUMNS if _no_groups(self._counts(column, speakers)) is None)
        for column in self.by:
            self._check(column, speakers)
        return self.by

    def untold(self) -> tuple[str, ...]:
        """Columns that were asked for, beside :data:`OWN_COLUMNS`, and that no table so far has."""
        return tuple(column for column in self.by or () if column not in OWN_COLUMNS and not self._has(column))

    def left_out(self, speakers: Sequence[str]) -> dict[str, str]:
        """Columns that were found, not asked for, and make no groups of these speakers: what they say instead."""
        found = {column: _no_groups(self._counts(column, speakers)) for column in OWN_COLUMNS
                 if self.by is None and self._has(column)}
        return {column: lack.value for column, lack in found.items() if lack is not None}

    def notes(self, speakers: Sequence[str]) -> list[str]:
        """What a reader has to know of who is known, a sentence each.

        Raises:
            CorpusError: tables of speakers tell of none of these.
        """
        missing = [speaker for speaker in speakers if speaker not in self._listed] if self._listed else []
        if len(missing) == len(speakers):
            raise CorpusError(name="the table of speakers", rule="be about speakers of the recordings",
                              value=f"{min(self._listed)!r} and {len(self._listed) - 1} more, where {missing[0]!r} and "
                                    f"{len(missing) - 1} more speak", action="Name speakers alike in both.")
        few = [f"{len(missing)} of {len(speakers)} speakers are not in the table of speakers: are they named alike in "
               "both?"] if len(missing) > len(speakers) / 2 else []
        return [*few, *(f"No groups by {column}: {found}." for column, found in self.left_out(speakers).items())]

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

    def _has(self, column: str) -> bool:
        return bool({column, *SPELLED.get(column, ())} & self._columns)

    def _check(self, column: str, speakers: Sequence[str]) -> None:
        if not self._has(column):
            raise CorpusError(name=f"--by {column}", rule="name a column that there is",
                              value=f"only {', '.join(sorted(self._columns)) or 'none'}",
                              action="Correct the name, or add the column.")
        lack = _no_groups(self._counts(column, speakers))
        if lack is not None:
            raise CorpusError(name=f"--by {column}", rule=lack.rule, value=lack.value, action=lack.action)


@dataclass(frozen=True, kw_only=True)
class Lack:
    """Why a column makes no groups, in the words of an error."""

    rule: str
    value: str
    action: str


def _no_groups(counts: Mapping[str, int]) -> Lack | None:
    """What keeps values from making groups.

    Args:
        counts: speakers by value.
    """
    if len(counts) < 2:
        return Lack(rule="have two values or more", action="Leave it out: it makes no groups.",
                    value=f"{shown(next(iter(counts)))} for every speaker" if counts else "none for any speaker")
    if len(counts) == sum(counts.values()):
        return Lack(rule="have fewer values than speakers", value=f"{len(counts)} values of {len(counts)} speakers",
                    action="Leave it out: it names people rather than groups.")
    return None


def _degrees(row: Row, names: tuple[str, ...], limit: int) -> float | None:
    """None where it is not known, which tables of numbers say by NaN."""
    value = row.number_or_none(*names)
    if value is None or isnan(value):
        return None
    if abs(value) > limit:
        raise CorpusError(name=f"{names[0]} in {row.where}", rule=f"be between -{limit} and {limit} degrees",
                          value=value, action="Correct it, or leave it empty where it is not known.")
    return value


def _declared(row: Row, asked: Sequence[str]) -> dict[str, str]:
    own = {"gender": attributes.gender(row.text("gender")), "age_band": attributes.age_band(age(row)),
           "accent": attributes.told(row.text(*SPELLED["accent"])), "country": attributes.told(row.text("country"))}
    known = {column: value for column, value in own.items() if value is not None}
    return known | dict(further(row, [column for column in asked if column not in own]))
