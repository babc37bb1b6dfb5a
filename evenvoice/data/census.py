"""Census tables that stand beside a corpus, on a disk or in an object store: statistics by postal code."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from evenvoice.data.corpora.places import ObjectPath, Place
from evenvoice.data.corpora.reading import readable
from evenvoice.data.schemas import CENSUS_KEY
from evenvoice.data.spelling import one_spelling
from evenvoice.errors import CorpusError

COMPRESSIONS: Final = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}


def read_census(path: Place) -> pa.Table:
    """Read a CSV, TSV or Parquet table with a ``postal_code`` column; every other column becomes float64.

    A CSV or TSV may be compressed (``census.csv.gz``).

    Raises:
        CorpusError: missing, not to be read by this user, malformed, without a key, with a repeated one, or with a
            column that is not numeric.
        ArtifactError, PreflightError, TransientError: as :func:`evenvoice.object_store.client.own_errors` says.
    """
    try:
        with _opened(path) as file:
            return checked_census(_read(file, path.name), name=str(path))
    except (pa.ArrowException, OSError, EOFError) as error:
        raise CorpusError(name=f"census {path}", rule="be a readable CSV, TSV or Parquet table", value=str(error),
                          action="Correct it, or clear ingest.census.") from error


def checked_census(table: pa.Table, *, name: str) -> pa.Table:
    """Bring a census to its declared types, and its postal codes to the spelling that those of speakers have.

    Raises:
        CorpusError: without a key, with a repeated one, or with a column that is not numeric.
    """
    key = CENSUS_KEY.name
    if key not in table.column_names or table.schema.field(key).type not in (pa.string(), pa.large_string()):
        raise CorpusError(name=f"census {name}", rule=f"have a text column {key!r}",
                          value=", ".join(table.column_names), action="Rename the column, or write it as text.")
    keys = pa.array([one_spelling(code or "") for code in table[key].to_pylist()], pa.string())
    if "" in keys.to_pylist() or pc.count_distinct(keys).as_py() != len(keys):
        raise CorpusError(name=f"census {name}", rule=f"have each {key} once", value="an empty or repeated one",
                          action="Remove the row.")
    columns = {column: _statistic(table[column], f"column {column!r} of census {name}")
               for column in sorted(table.column_names) if column != key}
    schema = pa.schema([CENSUS_KEY, *(pa.field(column, pa.float64()) for column in columns)])
    return pa.table([keys, *columns.values()], schema=schema)


def _opened(path: Place) -> BinaryIO:
    with readable(str(path)):
        try:
            return path.open_binary() if isinstance(path, ObjectPath) else path.open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise CorpusError(name=f"census {path}", rule="be a file", value=error.strerror or "no such object",
                              action="Correct ingest.census, or clear it.") from error


def _read(file: BinaryIO, name: str) -> pa.Table:
    path = PurePosixPath(name.lower())
    if path.suffix == ".parquet":
        return pa.parquet.read_table(file)
    compression = COMPRESSIONS.get(path.suffix)
    suffix = PurePosixPath(path.stem).suffix if compression else path.suffix
    return pa.csv.read_csv(
        pa.input_stream(file, compression=compression),
        parse_options=pa.csv.ParseOptions(delimiter="\t" if suffix == ".tsv" else ","),
        convert_options=pa.csv.ConvertOptions(column_types={CENSUS_KEY.name: pa.string()}))


def _statistic(values: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise CorpusError(name=name, rule="be numeric", value=values.type, action="Remove the column, or code it.")
    return values.cast(pa.float64())
