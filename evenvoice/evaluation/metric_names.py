"""The evaluation's figures under names that say what they are about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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


def regression_metrics(regression: Mapping[str, Row]) -> dict[str, float]:
    """Figures of a regression on declared groups: ``regression/faas/<model>/<split>``,
    ``regression/p/<model>/<split>/<partition>`` and ``regression/rate_ratio/<model>/<split>/<partition>/<cohort>``.

    FAAS and p tell about all cohorts, so they are no part of metrics.json.

    Args:
        regression: by model, what :func:`evenvoice.metrics.publication.published_regression` leaves of it.
    """
    named: dict[str, float | None] = {}
    for model, found in regression.items():
        scope = f"{model}/test"
        named[f"regression/faas/{scope}"] = found["faas"]
        for column, p, ratios in _columns(found):
            named[f"regression/p/{scope}/{column}"] = p
            named |= {f"regression/rate_ratio/{scope}/{metric_scope(column, cohort)}": ratio
                      for cohort, ratio in ratios}
    return {name: value for name, value in named.items() if value is not None}


def _columns(found: Row) -> Iterator[tuple[str, float | None, list[tuple[str, float | None]]]]:
    for column in found["columns"]:
        yield (column["partition"], column["p"],
               [(group["cohort"], group["rate_ratio"]) for group in column["groups"]])


def _scope(row: Row) -> str:
    return WHOLE if row["method"] == WHOLE else _of(row, "cohort")


def _of(row: Row, which: str) -> str:
    return metric_scope(row["method"], row[which])
