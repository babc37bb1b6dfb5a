"""What cohort discovery may know: one row per speaker and split, with errors of discover and validate speakers only.

Errors of test speakers are dropped while reading, so no method can look at them, not even by accident.

Shapes: S speakers, C census columns, K further columns, D embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from evenvoice.data.schemas import EMBEDDINGS, FURTHER, HYPOTHESES, SPEAKERS
from evenvoice.data.tables import read_table
from evenvoice.errors import ArtifactError
from evenvoice.params import OWN_COLUMNS

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Strings = NDArray[np.object_]
Mask = NDArray[np.bool_]

SPLITS_WITH_ERRORS: Final = ("discover", "validate")
COORDINATE_DECIMALS: Final = 4
"""float32 coordinates are rounded to this, about 10 m, so that cuts between them read well."""


@dataclass(frozen=True, kw_only=True)
class CohortTable:
    """Aligned columns; an unknown number is NaN, an unknown string is None.

    ``errors`` and ``words`` are zero for train and test speakers. ``lat`` and ``lon`` are degrees, both known or
    both NaN. Rows of ``embeddings`` have unit length.
    """

    speakers: Strings
    splits: Strings
    errors: Integers
    words: Integers
    lat: Floats
    lon: Floats
    postal_code: Strings
    gender: Strings
    age_band: Strings
    accent: Strings
    country: Strings
    census: Floats
    """(S, C): the statistics of each speaker's postal code."""
    embeddings: Floats
    """(S, D)"""
    further: Strings
    """(S, K): what columns of ``ingest.columns`` say."""
    census_columns: tuple[str, ...] = ()
    further_columns: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.speakers)

    def where(self, mask: Mask) -> CohortTable:
        """The rows where ``mask`` (S,) holds."""
        rows = {field.name: getattr(self, field.name)[mask] for field in fields(self)
                if field.name not in ("census_columns", "further_columns")}
        return replace(self, **rows)

    def declared(self, column: str) -> list[str | None]:
        """What the corpus says of each speaker (S,); nothing of anybody in a column that it does not have."""
        if column in OWN_COLUMNS:
            return list(getattr(self, column))
        if column not in self.further_columns:
            return [None] * len(self)
        return list(self.further[:, self.further_columns.index(column)])

    def counted(self, split: str) -> CohortTable:
        """The speakers of one split who said at least one reference word."""
        return self.where((self.splits == split) & (self.words > 0))


def word_error_rate(errors: Integers, words: Integers) -> float:
    """Pooled WER of some speakers: sum of errors over sum of words; NaN without words."""
    total = int(words.sum())
    return float(errors.sum()) / total if total else float("nan")


def load_cohort_table(*, corpus: Path, hypotheses: Path, embeddings: Path) -> CohortTable:
    """Join speakers, census, errors of the base model, and embeddings.

    Args:
        corpus: directory with speakers.parquet and perhaps census.parquet.
        hypotheses: directory with hypotheses.parquet of the base model.
        embeddings: directory with embeddings.parquet.

    Raises:
        ArtifactError: a file is missing or broken, or hypotheses name a speaker that the corpus does not have.
    """
    speakers = read_table(corpus / "speakers.parquet", SPEAKERS).to_pydict()
    row_of = {key: row for row, key in enumerate(zip(speakers["speaker"], speakers["split"], strict=True))}
    errors, words = _errors(hypotheses / "hypotheses.parquet", row_of)
    lat, lon = coordinates(speakers["lat"], speakers["lon"])
    census_file = corpus / "census.parquet"
    columns, census = census_of(read_table(census_file) if census_file.exists() else None, speakers["postal_code"])
    strings = {name: np.array(speakers[name], dtype=object) for name in ("postal_code", *OWN_COLUMNS)}
    further_columns, further = further_of([dict(pairs) for pairs in speakers[FURTHER]])
    return CohortTable(speakers=np.array(speakers["speaker"], dtype=object), errors=errors, words=words, lat=lat,
                       splits=np.array(speakers["split"], dtype=object), lon=lon, census=census,
                       census_columns=columns, embeddings=_embeddings(embeddings / "embeddings.parquet", row_of),
                       further=further, further_columns=further_columns, **strings)


def _errors(path: Path, row_of: dict[tuple[str, str], int]) -> tuple[Integers, Integers]:
    columns = ["speaker", "split", "words", "substitutions", "deletions", "insertions"]
    table = read_table(path, HYPOTHESES, columns)
    table = table.filter(pa.compute.is_in(table["split"], pa.array(SPLITS_WITH_ERRORS)))
    sums = table.group_by(["speaker", "split"]).aggregate([(name, "sum") for name in columns[2:]]).to_pylist()
    errors, words = np.zeros(len(row_of), dtype=np.int64), np.zeros(len(row_of), dtype=np.int64)
    for row in sums:
        position = _row(row_of, row, path)
        errors[position] = row["substitutions_sum"] + row["deletions_sum"] + row["insertions_sum"]
        words[position] = row["words_sum"]
    return errors, words


def _embeddings(path: Path, row_of: dict[tuple[str, str], int]) -> Floats:
    rows = read_table(path, EMBEDDINGS).to_pylist()
    width = len(rows[0]["embedding"]) if rows else 0
    embeddings = np.full((len(row_of), width), np.nan)
    for row in rows:
        embeddings[_row(row_of, row, path)] = row["embedding"]
    return embeddings


def _row(row_of: dict[tuple[str, str], int], row: dict[str, Any], path: Path) -> int:
    try:
        return row_of[row["speaker"], row["split"]]
    except KeyError:
        raise ArtifactError(name=str(path), rule="hold only speakers of the corpus",
                            value=f"speaker {row['speaker']} of split {row['split']}",
                            action="It belongs to another corpus: run the stage that writes it again.") from None


def coordinates(lat_S: Sequence[float | None], lon_S: Sequence[float | None]) -> tuple[Floats, Floats]:
    """Locations as discovery compares them; half a location is none."""
    lat = np.array(lat_S, dtype=np.float64).round(COORDINATE_DECIMALS)
    lon = np.array(lon_S, dtype=np.float64).round(COORDINATE_DECIMALS)
    unknown = np.isnan(lat) | np.isnan(lon)
    lat[unknown] = lon[unknown] = np.nan
    return lat, lon


def further_of(values: Sequence[dict[str, str]]) -> tuple[tuple[str, ...], Strings]:
    """Names of the further columns, and what each speaker's say (S, K); None for what is not known."""
    columns = tuple(sorted({column for of_speaker in values for column in of_speaker}))
    further = np.full((len(values), len(columns)), None, dtype=object)
    for row, of_speaker in enumerate(values):
        for place, column in enumerate(columns):
            further[row, place] = of_speaker.get(column)
    return columns, further


def census_of(table: pa.Table | None, postal_codes: Sequence[str | None]) -> tuple[tuple[str, ...], Floats]:
    """Names of the statistics, and those of each postal code (S, C), NaN for a code that the census does not have."""
    if table is None:
        return (), np.empty((len(postal_codes), 0))
    columns = tuple(name for name in table.column_names if name != "postal_code")
    values = np.column_stack([np.array(table[name].to_pylist(), dtype=np.float64) for name in columns])
    row_of = {code: row for row, code in enumerate(table["postal_code"].to_pylist())}
    census = np.full((len(postal_codes), len(columns)), np.nan)
    for row, code in enumerate(postal_codes):
        if code in row_of:
            census[row] = values[row_of[code]]
    return columns, census
