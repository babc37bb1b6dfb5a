"""Later speakers as a table of their own, in the form that discovery saw: the road of ingest, without speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from evenvoice.cohorts.features import ATTRIBUTE, COORDINATE, STATISTIC
from evenvoice.cohorts.frozen import FrozenMethod
from evenvoice.cohorts.table import CohortTable, Floats, census_of, coordinates, further_of
from evenvoice.data.corpora import attributes
from evenvoice.data.corpora.manifest import AGE, SPEAKER, age, further
from evenvoice.data.corpora.rows import Row, read_rows
from evenvoice.data.spelling import one_spelling
from evenvoice.errors import CohortError, CorpusError
from evenvoice.params import OWN_COLUMNS

EMBEDDING: Final = "embedding"
COLUMNS: Final = {"lat": ("lat", "latitude"), "lon": ("lon", "longitude"), "postal_code": ("postal_code",),
                  "gender": ("gender",), "age_band": AGE, "accent": ("accent", "accents"),
                  "country": ("country",), EMBEDDING: (EMBEDDING,)}
"""Names that a column may have, as in a manifest."""
LIMITS: Final = {"lat": 90.0, "lon": 180.0}


@dataclass(frozen=True)
class Newcomers:
    """Rows of a table of speakers and the census that their postal codes are looked up in."""

    rows: Sequence[Row]
    census: pa.Table | None
    source: str

    @property
    def speakers(self) -> list[str]:
        """Names in the order of the table; one may come again."""
        return [_speaker(row) for row in self.rows]

    def lacks(self, frozen: FrozenMethod) -> str | None:
        """What the rule looks at and is not here, in words; None where all is here."""
        wanted = {EMBEDDING} if frozen.embedding_width is not None else {*frozen.columns}
        for feature in frozen.features:
            kind, name = feature.told["kind"], feature.told["name"]
            wanted |= {COORDINATE: {"lat", "lon"}, ATTRIBUTE: {name}, STATISTIC: {"postal_code"}}[kind]
            if kind == STATISTIC and (self.census is None or name not in self.census.column_names):
                return f"a census with the column {name!r} (--census)"
        missing = sorted(name for name in wanted if not self._has(COLUMNS.get(name, (name,))))
        return f"the column {missing[0]!r}" if missing else None

    def table(self, frozen: FrozenMethod) -> CohortTable:
        """All that a rule may look at, in the form that discovery saw; nobody has errors or words.

        Raises:
            CohortError: a table lacks what the rule looks at.
            CorpusError: a value is of the wrong type, a location off the globe or half known, or an embedding of
                another width.
        """
        lacking = self.lacks(frozen)
        if lacking is not None:
            raise CohortError(name=f"speakers {self.source}", rule=f"have {lacking}, which {frozen.method} cohorts are "
                              "told apart by", value="none", action="Bring it, or name another --method.")
        size = len(self.rows)
        lat, lon = coordinates(*self._locations(frozen.coordinate_decimals))
        postal_codes = [one_spelling(row.strict_text("postal_code") or "") or None for row in self.rows]
        columns, census = census_of(self.census, postal_codes)
        strings = {"gender": [attributes.gender(row.text("gender")) for row in self.rows],
                   "age_band": [attributes.age_band(age(row)) for row in self.rows],
                   "accent": [attributes.told(row.text(*COLUMNS["accent"])) for row in self.rows],
                   "country": [attributes.told(row.text("country")) for row in self.rows], "postal_code": postal_codes}
        asked = [name for name in frozen.columns if name not in OWN_COLUMNS]
        known = [(number, *pair) for number, row in enumerate(self.rows) for pair in further(row, asked)]
        further_columns, declared = further_of(size, *(zip(*known, strict=True) if known else ((), (), ())))
        nothing = np.zeros(size, dtype=np.int64)
        return CohortTable(speakers=np.array(self.speakers, dtype=object), splits=np.full(size, None, dtype=object),
                           errors=nothing, words=nothing, lat=lat, lon=lon, census=census, census_columns=columns,
                           embeddings=self._embeddings(frozen.embedding_width or 0), further=declared,
                           further_columns=further_columns,
                           **{name: np.array(values, dtype=object) for name, values in strings.items()})

    def _has(self, names: Sequence[str]) -> bool:
        return any(name in row.values for row in self.rows[:1] for name in names)

    def _locations(self, decimals: int) -> tuple[list[float | None], list[float | None]]:
        """Rounded as ingest does it."""
        both = [[_rounded(row, axis, decimals) for row in self.rows] for axis in LIMITS]
        for row, lat, lon in zip(self.rows, *both, strict=True):
            if (lat is None) != (lon is None):
                raise CorpusError(name=row.where, rule="have both latitude and longitude, or neither",
                                  value="one of them", action="Fill in the other, or clear both.")
        return both[0], both[1]

    def _embeddings(self, width: int) -> Floats:
        embeddings = np.full((len(self.rows), width), np.nan)
        if width:
            for number, row in enumerate(self.rows):
                voice = row.values.get(EMBEDDING)
                if voice is not None:
                    embeddings[number] = _voice(row, voice, width)
        return embeddings


def read_newcomers(path: Path, census: pa.Table | None) -> Newcomers:
    """Read a table of speakers: Parquet, CSV, TSV or JSON lines.

    Raises:
        CorpusError: missing, malformed, empty, or without a column for the speaker.
    """
    rows = tuple(read_rows(path))
    if not rows:
        raise CorpusError(name=str(path), rule="hold speakers", value="none",
                          action="Give a table with a row for each.")
    if not any(name in rows[0].values for name in SPEAKER):
        raise CorpusError(name=str(path), rule=f"have a column named {' or '.join(SPEAKER)}",
                          value=f"only {', '.join(map(repr, rows[0].values))}", action="Rename the column.")
    return Newcomers(rows, census, str(path))


def _speaker(row: Row) -> str:
    name = one_spelling(row.text(*SPEAKER) or "")
    if not name:
        raise CorpusError(name=row.where, rule="name its speaker", value="nothing",
                          action="Fill in the speaker, or remove the row.")
    return name


def _rounded(row: Row, axis: str, decimals: int) -> float | None:
    value = row.number_or_none(*COLUMNS[axis])
    if value is None:
        return None
    if not -LIMITS[axis] <= value <= LIMITS[axis]:
        raise CorpusError(name=f"{axis} in {row.where}", rule=f"lie within {LIMITS[axis]:g} degrees", value=value,
                          action="Correct it, or clear latitude and longitude.")
    return round(value, decimals)


def _voice(row: Row, voice: object, width: int) -> Floats:
    try:
        numbers = np.array(voice, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array(np.nan)
    if numbers.shape != (width,) or not np.isfinite(numbers).all():
        raise CorpusError(name=f"column {EMBEDDING!r} in {row.where}", rule=f"be a list of {width} numbers",
                          value=f"shape {numbers.shape}" if np.isfinite(numbers).all() else "something else",
                          action="Embed the speaker with the run's own speaker encoder, or leave it empty.")
    return numbers
