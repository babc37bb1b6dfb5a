"""The one door to Arrow files: schema-checked, sharded by size, whole or absent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet

from evenvoice.errors import ArtifactError

ROWS_PER_GROUP = 256
BYTES_PER_GROUP = 32 << 20


def write_table(path: Path, table: pa.Table) -> None:
    """Write a small table as one Parquet file through a temporary neighbour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    pa.parquet.write_table(table, draft, compression="zstd")
    draft.rename(path)


def rows_table(rows: list[dict[str, object]], schema: pa.Schema) -> pa.Table:
    """Build a table from plain rows; a value that does not fit its column is an error, not a guess."""
    return pa.Table.from_pylist(rows, schema=schema)


def read_table(path: Path, schema: pa.Schema | None = None, columns: list[str] | None = None) -> pa.Table:
    """Read one Parquet file or a directory of Parquet shards in name order.

    Raises:
        ArtifactError: nothing is there, it cannot be read, or it does not have the declared schema.
    """
    shards = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not shards or not shards[0].exists():
        raise ArtifactError(name=str(path), rule="exist", value="no such table",
                            action="Run the stage that writes it (`dvc dag` shows which).")
    return pa.concat_tables([_read_shard(shard, schema, columns) for shard in shards])


def _read_shard(shard: Path, schema: pa.Schema | None, columns: list[str] | None) -> pa.Table:
    try:
        table = pa.parquet.ParquetFile(shard).read(columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise ArtifactError(name=str(shard), rule="be a readable Parquet file", value=str(error),
                            action="Delete it and run the stage that writes it again.") from error
    if schema is not None:
        _check_schema(shard, table.schema, schema, columns)
    return table


def _check_schema(name: Path, found: pa.Schema, declared: pa.Schema, columns: list[str] | None) -> None:
    for field in declared:
        if columns is not None and field.name not in columns:
            continue
        if field.name not in found.names or found.field(field.name).type != field.type:
            actual = found.field(field.name).type if field.name in found.names else "no such column"
            raise ArtifactError(name=f"{name}, column {field.name!r}", rule=f"be {field.type}", value=actual,
                                action="It was written by other code: run the stage that writes it again.")


class ParquetRows:
    """Writes rows to one Parquet file, some at a time, so memory stays flat; the bytes follow from the rows alone.

    An empty file has its schema, too.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows: list[dict[str, object]] = []
        self._bytes = 0
        # what is large is hardly ever there twice: looking for repeats would only cost time
        small = [field.name for field in schema if not pa.types.is_large_binary(field.type)]
        self._writer = pa.parquet.ParquetWriter(path, schema, compression="zstd", use_dictionary=small,
                                                write_statistics=small)

    def append(self, row: dict[str, object], size: int) -> None:
        """Add one row of about ``size`` bytes."""
        self._rows.append(row)
        self._bytes += size
        if len(self._rows) >= ROWS_PER_GROUP or self._bytes >= BYTES_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(rows_table(self._rows, self._schema))
            self._rows, self._bytes = [], 0


def parquet_shards(path: Path) -> list[Path]:
    """The Parquet files of a sharded table, in order.

    Raises:
        ArtifactError: there is none.
    """
    return _shards(path, "*.parquet", "Parquet")


def ipc_shards(path: Path) -> list[Path]:
    """The Arrow IPC files of a sharded table, in order.

    Raises:
        ArtifactError: there is none.
    """
    return _shards(path, "*.arrow", "Arrow IPC")


def _shards(path: Path, pattern: str, kind: str) -> list[Path]:
    shards = sorted(path.glob(pattern))
    if not shards:
        raise ArtifactError(name=str(path), rule=f"hold {kind} shards", value="none",
                            action="Run the stage that writes it (`dvc dag` shows which).")
    return shards


def count_rows(shard: Path) -> int:
    """Rows of one Parquet file, as its footer says; reads no column."""
    with pa.parquet.ParquetFile(shard) as file:
        return int(file.metadata.num_rows)


def iterate_batches(shard: Path, schema: pa.Schema, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield so many rows of one Parquet file at a time, their columns in the given order, so memory stays flat."""
    with pa.parquet.ParquetFile(shard) as file:
        _check_schema(shard, file.schema_arrow, schema, columns)
        for batch in file.iter_batches(batch_size=rows, columns=columns, use_threads=False):
            yield batch.select(columns)


def write_ipc_shards(directory: Path, stem: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch],
                     shard_mb: int, size_of: str) -> None:
    """Write rows as Arrow IPC files of about ``shard_mb`` each; ``size_of`` names the column that fills them."""
    shards = 0
    for number, numbered in groupby(_numbered(batches, size_of, shard_mb * 2**20), key=itemgetter(0)):
        _write_ipc(directory / f"{stem}-{number:05d}.arrow", schema, (batch for _, batch in numbered))
        shards = number + 1
    if shards == 0:  # readers find the schema of an empty table, too
        _write_ipc(directory / f"{stem}-00000.arrow", schema, ())


def _numbered(batches: Iterable[pa.RecordBatch], size_of: str, limit: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The batches, each with the number of its shard, cut where a row fills one."""
    number, filled = 0, 0
    for batch in batches:
        start = 0
        for row, size in enumerate(pc.binary_length(batch[size_of]).to_pylist(), start=1):
            filled += size
            if filled >= limit:
                yield number, batch.slice(start, row - start)
                number, filled, start = number + 1, 0, row
        if start < len(batch):
            yield number, batch.slice(start)


def _write_ipc(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def open_ipc_shards(directory: Path, schema: pa.Schema) -> pa.Table:
    """Memory-map every Arrow IPC shard of a directory as one table; nothing is copied.

    Raises:
        ArtifactError: no shard, or one that is truncated or has another schema.
    """
    return pa.concat_tables([open_ipc_shard(shard, schema) for shard in ipc_shards(directory)])


def open_ipc_shard(shard: Path, schema: pa.Schema) -> pa.Table:
    """Memory-map one Arrow IPC file.

    Raises:
        ArtifactError: it is truncated or has another schema.
    """
    try:
        table = pa.ipc.open_file(pa.memory_map(str(shard))).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise ArtifactError(name=str(shard), rule="be a readable Arrow IPC file", value=str(error),
                            action="Delete it and run the stage that writes it again.") from error
    _check_schema(shard, table.schema, schema, None)
    return table
