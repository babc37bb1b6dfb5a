"""Rows as Arrow files, the way stages leave them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from evenvoice.data.tables import rows_table, write_ipc_shards


def write_rows(directory: Path, stem: str, schema: pa.Schema, rows: Sequence[dict[str, object]], shard_mb: int = 1,
               size_of: str = "features") -> None:
    """Write rows as Arrow IPC shards that the column ``size_of`` fills."""
    write_ipc_shards(directory, stem, schema, rows_table(list(rows), schema).to_batches(), shard_mb, size_of)
