"""Properties of speakers as numbers, which trees cut: coordinates, census statistics, attributes.

A feature is told by a few words of JSON, so that a frozen tree can be written down and read without running code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.cohorts.table import CohortTable, Floats
from evenvoice.params import OWN_COLUMNS

COORDINATE: Final = "coordinate"
STATISTIC: Final = "census"
ATTRIBUTE: Final = "attribute"
_COMPASS: Final = {"lat": ("north of {}", "south of {}"), "lon": ("east of {}", "west of {}")}


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One property of a speaker as a number.

    Args:
        told: what it is, as :func:`told_feature` reads it.
        read: takes the table to the property (S,); NaN where unknown, which counts as below every cut.
        above: how a rule reads for speakers above a cut, with ``{}`` for the cut, e.g. ``north of {}``.
        below: the same for the others.
        thresholds: the only cuts allowed, ascending; None allows every cut between two neighbouring values.
    """

    told: Mapping[str, str]
    read: Callable[[CohortTable], Floats]
    above: str
    below: str
    thresholds: tuple[float, ...] | None = None


def coordinate(name: str) -> Feature:
    """``lat`` or ``lon``, in degrees."""
    above, below = _COMPASS[name]
    return Feature(told={"kind": COORDINATE, "name": name}, read=lambda table: getattr(table, name), above=above,
                   below=below)


def statistic(name: str, thresholds: tuple[float, ...] | None = None) -> Feature:
    """A census statistic of the speaker's postal code."""
    return Feature(told={"kind": STATISTIC, "name": name}, thresholds=thresholds, above=f"{name} above {{}}",
                   below=f"{name} at most {{}}",
                   read=lambda table: table.census[:, table.census_columns.index(name)])


def indicator(name: str, value: str) -> Feature:
    """Whether an attribute has one value: 1 or 0."""
    def read(table: CohortTable) -> Floats:
        values_S: NDArray[np.object_] = getattr(table, name)
        return np.where(values_S == None, np.nan, (values_S == value).astype(np.float64))  # noqa: E711

    return Feature(told={"kind": ATTRIBUTE, "name": name, "value": value}, read=read, thresholds=(0.5,),
                   above=f"{name} is {value}", below=f"{name} is not {value}")


def told_feature(told: Mapping[str, object]) -> Feature:
    """The feature that ``told`` describes.

    Raises:
        ValueError: there is no such feature.
    """
    match told:
        case {"kind": "coordinate", "name": "lat" | "lon" as name, **rest} if not rest:
            return coordinate(name)
        case {"kind": "census", "name": str() as name, **rest} if name and not rest:
            return statistic(name)
        case {"kind": "attribute", "name": str() as name, "value": str() as value, **rest} if (
                name in OWN_COLUMNS and not rest):
            return indicator(name, value)
    raise ValueError(f"no feature is told by {told!r}")
