"""The evaluation's figures under names that say what they are about."""

from __future__ import annotations

from collections.abc import Sequence

from evenvoice.evaluation.rows import WHOLE, Row
from evenvoice.metrics.partitions import metric_scope


def flat_metrics(cohort_wer: Sequence[Row], gaps: Sequence[Row], comparisons: Sequence[Row],
                 saving: Sequence[Row] = ()) -> dict[str, float]:
    """Numbers by name, in characters that MLflow accepts; what could not be measured is left out.

    Names are ``wer/<model>/<split>/whole``, ``wer/<model>/<split>/<method>/<cohort>``,
    ``speakers/<split>/<method>/<cohort>``, ``gap/<method>/<bottom>/<top>/<model>/<split>`` (over top),
    ``relative/<arm>/<split>/whole`` or ``.../<method>/<cohort>``, and of the amortized model beside its dense control
    ``saving/relative/<split>/...`` and ``saving/share/<split>/...``, the part of the encoder's work that it is spared.
    Each names the cohorts that it tells about, so that a name is enough to leave out what must not be published;
    spreads, which tell about all cohorts, are not here.
    """
    named: dict[str, float | None] = {}
    for row in cohort_wer:
        named[f"wer/{row['model']}/{row['split']}/{_scope(row)}"] = row["wer"]
        named[f"speakers/{row['split']}/{_scope(row)}"] = float(row["speakers"])
    for row in gaps:
        top = metric_scope("", row["top"])
        named[f"gap/{_of(row, 'bottom')}{top}/{row['model']}/{row['split']}"] = row["gap_over_top"]
    for row in comparisons:
        named[f"relative/{row['arm']}/{row['split']}/{_scope(row)}"] = row["relative"]
    for row in saving:
        executed, scope = row["executed_share"], f"{row['split']}/{_scope(row)}"
        named[f"saving/share/{scope}"] = None if executed is None else 1 - executed
        named[f"saving/relative/{scope}"] = row["relative"]
    return {name: value for name, value in named.items() if value is not None}


def _scope(row: Row) -> str:
    return WHOLE if row["method"] == WHOLE else _of(row, "cohort")


def _of(row: Row, which: str) -> str:
    return metric_scope(row["method"], row[which])
