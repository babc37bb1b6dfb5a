"""Cohorts by what is known about people: binary partitions of postal codes by majority attribute (arXiv 2207.11345).

A postal code is on one side when a census statistic is above one half (a majority, for shares) or above the median of
the discover speakers' postal codes. Without a census, attributes of the speakers themselves take its place, each
value against all others. Splits maximise the difference in WER, as in the paper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from evenvoice.cohorts.description import Found, Given, Method, NotApplicable
from evenvoice.cohorts.features import Feature, indicator, statistic
from evenvoice.cohorts.geographic import found_by_tree
from evenvoice.cohorts.table import CohortTable, Floats
from evenvoice.cohorts.tree import CohortTree, TreeSettings, fit_tree, placeable
from evenvoice.params import OWN_COLUMNS, Discover

MAJORITY: Final = 0.5


def find_groups(given: Given, settings: Discover, rng: np.random.Generator) -> Found | NotApplicable:
    """Grow the tree on census statistics where enough discover speakers have them, else on speaker attributes."""
    discover = given.discover
    needed = 2 * settings.min_speakers
    sources = {"census by postal code": _census_features(discover),
               "speaker attributes": _attribute_features(discover, settings.min_speakers)}
    for source, features in sources.items():
        if features and placeable(features, discover).sum() >= needed:
            found = found_by_tree(_fit(features, given, settings, rng), prefix="group")
            found.extra["source"] = source
            return found
    return NotApplicable(f"fewer than {needed} discover speakers have census statistics of their postal code, "
                         f"and no attribute value is shared by {settings.min_speakers} of them")


def _fit(features: Sequence[Feature], given: Given, settings: Discover, rng: np.random.Generator) -> CohortTree:
    own = settings.geodemographic
    return fit_tree(features=features, discover=given.discover, validate=given.validate, rng=rng, settings=TreeSettings(
        max_cohorts=own.max_cohorts, gain="difference", permutations=own.permutations,
        significance=own.significance, min_speakers=settings.min_speakers, min_words=settings.min_words))


def _census_features(discover: CohortTable) -> list[Feature]:
    """One feature per census statistic, with cuts at the median and, for shares, at the majority."""
    number_of_code = pa.array(discover.postal_code, pa.string()).fill_null("").dictionary_encode().indices
    one_per_code = np.unique(number_of_code.to_numpy(), return_index=True)[1]
    features = []
    for column, name in enumerate(discover.census_columns):
        values = discover.census[one_per_code, column]
        values = values[~np.isnan(values)]
        if len(values):
            features.append(statistic(name, _thresholds(values)))
    return features


def _attribute_features(discover: CohortTable, min_speakers: int) -> list[Feature]:
    """One indicator per attribute and value that enough discover speakers have."""
    features = []
    for attribute in OWN_COLUMNS:
        counts = Counter(value for value in getattr(discover, attribute) if value is not None)
        features += [indicator(attribute, value) for value in sorted(counts) if counts[value] >= min_speakers]
    return features


def _thresholds(values: Floats) -> tuple[float, ...]:
    is_share = values.min() >= 0 and values.max() <= 1
    return tuple(sorted({float(np.median(values))} | ({MAJORITY} if is_share else set())))


METHOD = Method(title="Geodemographic partitions", goes_by="census", find=find_groups)
