"""Methods at equal numbers of cohorts: which finds more, once each has its rule cut down to as many.

The spread of a method grows with the number of its cohorts, so methods that found different numbers say nothing
together. Coarser rules were frozen on discover speakers; test speakers only show how far their cohorts lie apart.

Shapes: S speakers of one split, C cohorts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.schemas import COARSER
from evenvoice.data.tables import read_table
from evenvoice.errors import ArtifactError
from evenvoice.metrics.disparity import null_spreads, spread
from evenvoice.metrics.speakers import SplitTable

UNPLACED = -1


def equal_counts(table: SplitTable, model: str, method: str, file: Path, partitions: int,
                 rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Rows of EQUAL_COUNTS, by number of cohorts; none for a number of which a cohort has nobody with words here.

    Args:
        file: coarser.parquet of the method.
        partitions: random partitions behind each null spread.

    Raises:
        ArtifactError: the file is missing or broken, or knows nothing about a speaker.
    """
    for cohorts, labels in sorted(_labels(file, table.split).items()):
        labels_S = _of(table, labels, file)
        counted_S = (labels_S != UNPLACED) & (table.words > 0)
        members_CS = (labels_S == np.arange(cohorts)[:, None]) & counted_S
        sizes_C = members_CS.sum(axis=1)
        if not sizes_C.all():
            continue
        errors_S = table.errors[model]
        [null] = null_spreads(errors_S[counted_S, None], table.words[counted_S], sizes_C, partitions, rng)
        yield {"method": method, "cohorts": cohorts, "smallest": int(sizes_C.min()),
               "unplaced": int(np.count_nonzero(labels_S == UNPLACED)),
               "spread": spread(members_CS @ errors_S, members_CS @ table.words), "null_spread": null.mean,
               "null_spread_high": null.high}


def _labels(file: Path, split: str) -> dict[int, dict[str, int]]:
    """Number of cohorts -> speaker -> cohort, of one split."""
    found: dict[int, dict[str, int]] = {}
    for row in read_table(file, COARSER).to_pylist():
        if row["split"] == split:
            cohort = UNPLACED if row["cohort"] is None else row["cohort"]
            found.setdefault(row["cohorts"], {})[row["speaker"]] = cohort
    return found


def _of(table: SplitTable, labels: dict[str, int], file: Path) -> NDArray[np.intp]:
    unknown = [speaker for speaker in table.speakers if speaker not in labels]
    if unknown:
        raise ArtifactError(name=str(file), rule="name every speaker of every split, placed or not",
                            value=f"nothing about {unknown[0]} of {table.split}",
                            action="Run the discover stage again.")
    return np.array([labels[speaker] for speaker in table.speakers], dtype=np.intp)
