"""Census tables that stand beside a corpus: statistics by postal code."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from evenvoice.data.schemas import CENSUS_KEY
from evenvoice.errors import CorpusError


def read_census(path: Path) -> pa.Table:
    """Read a CSV, TSV or Parquet table with a ``postal_code`` column; every other column becomes float64.

    Raises:
        CorpusError: missing, malformed, without a key, with a repeated one, or with a column that is not numeric.
    """
    try:
        return checked_census(_read(path), name=str(path))
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(name=f"census {path}", rule="be a readable CSV, TSV or Parquet table", value=str(error),
                          action="Correct it, or clear ingest.census.") from error


def checked_census(table: pa.Table, *, name: str) -> pa.Table:
    """Bring a census to its declared types.

    Raises:
        CorpusError: without a key, with a repeated one, or with a column that is not numeric.
    """
    key = CENSUS_KEY.name
    if key not in table.column_names or table.schema.field(key).type not in (pa.string(), pa.large_string()):
        raise CorpusError(name=f"census {name}", rule=f"have a text column {key!r}",
                          value=", ".join(table.column_names), action="Rename the column, or write it as text.")
    keys = table[key].cast(pa.string())
    if keys.null_count or pc.count_distinct(keys).as_py() != len(keys):
        raise CorpusError(name=f"census {name}", rule=f"have each {key} once", value="an empty or repeated one",
                          action="Remove the row.")
    columns = {column: _statistic(table[column], f"column {column!r} of census {name}")
               for column in sorted(table.column_names) if column != key}
    schema = pa.schema([CENSUS_KEY, *(pa.field(column, pa.float64()) for column in columns)])
    return pa.table([keys, *columns.values()], schema=schema)


def _read(path: Path) -> pa.Table:
    if path.suffix == ".parquet":
        return pa.parquet.read_table(path)
    return pa.csv.read_csv(
        path, parse_options=pa.csv.ParseOptions(delimiter="\t" if path.suffix == ".tsv" else ","),
        convert_options=pa.csv.ConvertOptions(column_types={CENSUS_KEY.name: pa.string()}))


def _statistic(values: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise CorpusError(name=name, rule="be numeric", value=values.type, action="Remove the column, or code it.")
    return values.cast(pa.float64())
