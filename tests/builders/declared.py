"""Speakers with declared groups and errors that are planted, as the tables of a split have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evenvoice.metrics.partitions import Aside, FrozenCohort, Partition
from evenvoice.metrics.speakers import SplitTable

ASIDE = ("smaller groups", "unknown")


def declared_world(groups: Mapping[str, Sequence[str]], ratios: Mapping[str, float] | None = None, *,
                   dispersion: float = 0.3, wer: float = 0.1, words: int = 90, seed: int = 0
                   ) -> tuple[SplitTable, list[Partition]]:
    """One speaker for each value of the columns, which are as long as each other.

    Args:
        groups: column -> group of each speaker; those of :data:`ASIDE` are not judged.
        ratios: group -> how many times as many errors it makes; what is not named, one time.
        dispersion: variance of the speakers' own factors; 0 where they have none.
    """
    rng = np.random.default_rng(seed)
    size = len(next(iter(groups.values())))
    words_S = 1 + rng.poisson(words * rng.gamma(4, 1 / 4, size))
    rate_S = wer * (rng.gamma(1 / dispersion, dispersion, size) if dispersion else np.ones(size))
    for values in groups.values():
        rate_S = rate_S * np.array([(ratios or {}).get(value, 1.0) for value in values])
    table = SplitTable(split="test", speakers=np.array([f"s{number}" for number in range(size)], dtype=object),
                       words=words_S.astype(np.int64), errors={"base": rng.poisson(words_S * rate_S).astype(np.int64)},
                       cohorts={f"attributes-{column}": np.array(values, dtype=object)
                                for column, values in groups.items()})
    return table, [by_column(column, values) for column, values in groups.items()]


def by_column(column: str, values: Sequence[str]) -> Partition:
    """The partition of one column, or of several whose names a hyphen joins."""
    judged = sorted({*values} - {*ASIDE})
    return Partition(method=f"attributes-{column}", applicable=True, reason="declared", cohorts=tuple(
        FrozenCohort(cohort=name, rule=f"{column} is {name}", discover_speakers=20, discover_words=2000,
                     discover_wer=0.1) for name in judged), aside=tuple(Aside(name, name) for name in ASIDE))
