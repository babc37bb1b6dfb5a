"""Tables at hand, of pandas or Arrow, as rows that are read like those of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from evenvoice.data.corpora.rows import PARQUET, Row
from evenvoice.errors import CorpusError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH: Final = 1024


def rows_of(table: Any, name: str) -> Iterator[Row]:
    """Yield the rows of an Arrow table or a pandas data frame.

    Args:
        name: what errors call it.

    Raises:
        CorpusError: it is neither.
    """
    arrow = arrow_of(table, name)
    index: Any = PurePath(f"{name}{PARQUET}")
    number = 0
    for batch in arrow.to_batches(BATCH):
        for values in batch.to_pylist():
            number += 1
            yield Row(values, index, number)


def arrow_of(table: Any, name: str) -> pa.Table:
    """An Arrow table as it is, or what a pandas data frame holds.

    Raises:
        CorpusError: it is neither.
    """
    import pyarrow as pa

    if isinstance(table, pa.Table):
        return table
    try:
        return pa.Table.from_pandas(table, preserve_index=False)
    except (AttributeError, TypeError, pa.ArrowException) as error:
        raise CorpusError(name=name, rule="be an Arrow table or a pandas data frame", value=f"{type(table).__name__} "
                          f"({error})", action="Convert it.") from error
