"""What cohort discovery may know: one row per speaker and split, with errors of discover and validate speakers only.

Errors of test speakers are dropped while reading, so no method can look at them, not even by accident.

Shapes: S speakers, C census columns, K further columns, D embedding width, N rows of another table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evenvoice.data.coded import Coded, Strings, strings_of
from evenvoice.data.schemas import EMBEDDINGS, FURTHER, HYPOTHESES, SPEAKERS
from evenvoice.data.tables import read_table
from evenvoice.errors import ArtifactError
from evenvoice.params import OWN_COLUMNS

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
Places = Sequence[float | None] | NDArray[np.floating[Any]]

SPLITS_WITH_ERRORS: Final = ("discover", "validate")
COORDINATE_DECIMALS: Final = 4
"""float32 coordinates are rounded to this, about 10 m, so that cuts between them read well."""
KEY: Final = ("split", "speaker")
KEY_ENDS: Final = "/"
"""Between both parts of a key; no split has it in its name."""


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

    def declared(self, column: str) -> Coded:
        """What the corpus says of each speaker (S,); nothing of anybody in a column that it does not have."""
        if column not in self._declared:
            self._declared[column] = Coded.of(self._strings(column))
        return self._declared[column]

    def counted(self, split: str) -> CohortTable:
        """The speakers of one split who said at least one reference word."""
        return self.where((self.splits == split) & (self.words > 0))

    @cached_property
    def _declared(self) -> dict[str, Coded]:
        """Columns that were asked for: each is encoded once, however many rules look at it."""
        return {}

    def _strings(self, column: str) -> Strings:
        if column in OWN_COLUMNS:
            own: Strings = getattr(self, column)
            return own
        if column not in self.further_columns:
            return np.full(len(self), None, dtype=object)
        return self.further[:, self.further_columns.index(column)]


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
    speakers = read_table(corpus / "speakers.parquet", SPEAKERS)
    errors, words = _errors(hypotheses / "hypotheses.parquet", speakers)
    lat, lon = coordinates(speakers["lat"].to_numpy(), speakers["lon"].to_numpy())
    strings = {name: strings_of(speakers[name]) for name in ("postal_code", *OWN_COLUMNS)}
    census_file = corpus / "census.parquet"
    columns, census = census_of(read_table(census_file) if census_file.exists() else None, strings["postal_code"])
    further_columns, further = further_of(len(speakers), *_pairs(speakers[FURTHER]))
    return CohortTable(speakers=strings_of(speakers["speaker"]), splits=strings_of(speakers["split"]), errors=errors,
                       words=words, lat=lat, lon=lon, census=census, census_columns=columns, further=further,
                       further_columns=further_columns, **strings,
                       embeddings=_embeddings(embeddings / "embeddings.parquet", speakers))


def _errors(path: Path, speakers: pa.Table) -> tuple[Integers, Integers]:
    counted = ("words", "substitutions", "deletions", "insertions")
    table = read_table(path, HYPOTHESES, [*KEY, *counted])
    table = table.filter(pc.is_in(table["split"], pa.array(SPLITS_WITH_ERRORS)))
    sums = table.group_by(KEY).aggregate([(name, "sum") for name in counted])
    rows_N = _rows(sums, speakers, path)
    words_N, *edits = (sums[f"{name}_sum"].to_numpy() for name in counted)
    errors, words = np.zeros(len(speakers), dtype=np.int64), np.zeros(len(speakers), dtype=np.int64)
    errors[rows_N], words[rows_N] = sum(edits), words_N
    return errors, words


def _embeddings(path: Path, speakers: pa.Table) -> Floats:
    table = read_table(path, EMBEDDINGS)
    widths = pc.unique(pc.list_value_length(table["embedding"])).to_pylist()
    if len(widths) > 1:
        raise ArtifactError(name=str(path), rule="hold embeddings of one width", value=f"widths {sorted(widths)}",
                            action="Run the stage that writes it again.")
    width = widths[0] if widths else 0
    embeddings = np.full((len(speakers), width), np.nan)
    flat = pc.list_flatten(table["embedding"]).to_numpy()
    embeddings[_rows(table, speakers, path)] = flat.reshape(len(table), width)
    return embeddings


def _rows(table: pa.Table, speakers: pa.Table, path: Path) -> NDArray[np.intp]:
    """Row (N,) among ``speakers`` of each speaker and split of ``table``."""
    rows_N = pc.index_in(_keys(table), value_set=_keys(speakers))
    if rows_N.null_count:
        stranger = table.select(KEY).filter(rows_N.is_null()).slice(0, 1).to_pylist()[0]
        raise ArtifactError(name=str(path), rule="hold only speakers of the corpus",
                            value=f"speaker {stranger['speaker']} of split {stranger['split']}",
                            action="It belongs to another corpus: run the stage that writes it again.")
    return np.asarray(rows_N.to_numpy(), dtype=np.intp)


def _keys(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(*(table[name] for name in KEY), KEY_ENDS)


def _pairs(column: pa.ChunkedArray) -> tuple[NDArray[np.intp], Strings, Strings]:
    """All pairs (N,) of a column of maps: the rows that they are in, their names and what they say."""
    maps = column.combine_chunks()
    names, values = (strings_of(pa.chunked_array([part])) for part in (maps.keys, maps.items))
    return np.repeat(np.arange(len(maps)), np.diff(maps.offsets.to_numpy())), names, values


def coordinates(lat_S: Places, lon_S: Places) -> tuple[Floats, Floats]:
    """Locations as discovery compares them; half a location is none, and so is None or NaN."""
    lat = np.array(lat_S, dtype=np.float64).round(COORDINATE_DECIMALS)
    lon = np.array(lon_S, dtype=np.float64).round(COORDINATE_DECIMALS)
    unknown = np.isnan(lat) | np.isnan(lon)
    lat[unknown] = lon[unknown] = np.nan
    return lat, lon


def further_of(speakers: int, row_N: Sequence[int] | NDArray[np.intp], column_N: Sequence[str] | Strings,
               value_N: Sequence[str] | Strings) -> tuple[tuple[str, ...], Strings]:
    """Names of the further columns, and what each speaker's say (S, K); None for what is not known.

    Args:
        row_N: speakers of all values that are known; ``column_N``: the columns that these are of.
    """
    columns = tuple(sorted({*column_N}))
    place_of = {column: place for place, column in enumerate(columns)}
    further = np.full((speakers, len(columns)), None, dtype=object)
    further[row_N, [*map(place_of.__getitem__, column_N)]] = value_N
    return columns, further


def census_of(table: pa.Table | None, postal_codes: Sequence[str | None] | Strings) -> tuple[tuple[str, ...], Floats]:
    """Names of the statistics, and those of each postal code (S, C), NaN for a code that the census does not have."""
    if table is None:
        return (), np.empty((len(postal_codes), 0))
    columns = tuple(name for name in table.column_names if name != "postal_code")
    unknown = len(table)
    values = np.column_stack([np.array([*table[name].to_pylist(), None], dtype=np.float64) for name in columns])
    row_of = {code: row for row, code in enumerate(table["postal_code"].to_pylist())}
    return columns, values[np.fromiter(map(row_of.get, postal_codes, repeat(unknown)), dtype=np.intp)]
