"""Parts of the space of features: what lies within bounds, except what lies within others; and both in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenvoice.cohorts.features import Feature
from evenvoice.cohorts.table import Floats


@dataclass(frozen=True)
class Bounds:
    """What is said about one feature: above ``low`` and not above ``high``; infinite where nothing is said."""

    low: float = -math.inf
    high: float = math.inf

    def holds(self, values_S: Floats) -> NDArray[np.bool_]:
        """Who lies within (S,); an unknown value counts as below every cut."""
        above_S = (values_S > self.low) | (self.low == -math.inf)
        return np.asarray(above_S & ~(values_S > self.high))

    def within(self, other: Bounds) -> Bounds:
        """What both say together; empty where ``low`` is not below ``high``."""
        return Bounds(max(self.low, other.low), min(self.high, other.high))

    @property
    def edges(self) -> int:
        """How many of the two ends are finite."""
        return math.isfinite(self.low) + math.isfinite(self.high)


Box = Mapping[int, Bounds]
"""Bounds by feature number; no entry for a feature about which nothing is said."""


def edges(box: Box) -> int:
    """Finite ends of a box over all features: 1 for a straight cut."""
    return sum(bounds.edges for bounds in box.values())


def inside(box: Box, values_SF: Floats) -> NDArray[np.bool_]:
    """Who lies within every bound of a box (S,)."""
    held_S = np.ones(len(values_SF), dtype=bool)
    for feature, bounds in box.items():
        held_S &= bounds.holds(values_SF[:, feature])
    return held_S


@dataclass(frozen=True)
class Part:
    """What lies in ``box`` and in none of ``holes``; holes only say where they differ from the box."""

    box: Box
    holes: tuple[Box, ...] = ()

    def words(self, features: Sequence[Feature]) -> str:
        """E.g. ``north of 35.2, west of -101.3`` or ``everyone except (south of 30, east of -90)``."""
        text = box_words(self.box, features) or "everyone"
        if not self.holes:
            return text
        return f"{text} except " + " and ".join(f"({box_words(hole, features)})" for hole in self.holes)


def part(within: Iterable[Box], outside: Iterable[Box]) -> Part:
    """The part of space within all of some boxes and outside all of others, said as shortly as this can tell.

    A hole of which only one edge lies in the box is a bound of the box, and a hole that does not meet it is none.
    """
    box: dict[int, Bounds] = {}
    for one in within:
        _narrow(box, one)
    holes = list(outside)
    while True:
        met = [_within(hole, box) for hole in holes]
        holes = [hole for hole in met if hole is not None]
        straight = next((hole for hole in holes if edges(hole) == 1), None)
        if straight is None:
            return Part(box, tuple(holes))
        holes.remove(straight)
        _narrow(box, _complement(straight))


def _narrow(box: dict[int, Bounds], by: Box) -> None:
    for feature, bounds in by.items():
        box[feature] = box.get(feature, Bounds()).within(bounds)


def _within(hole: Box, box: Box) -> Box | None:
    """What of a hole lies in a box, without the edges that the box has anyway; None for nothing."""
    left: dict[int, Bounds] = {}
    for feature, bounds in hole.items():
        around = box.get(feature, Bounds())
        both = bounds.within(around)
        if both.low >= both.high:
            return None
        own = Bounds(bounds.low if bounds.low > around.low else -math.inf,
                     bounds.high if bounds.high < around.high else math.inf)
        if own.edges:
            left[feature] = own
    return left


def _complement(straight: Box) -> Box:
    [(feature, bounds)] = straight.items()
    return {feature: Bounds(high=bounds.low) if math.isfinite(bounds.low) else Bounds(low=bounds.high)}


def box_words(box: Box, features: Sequence[Feature]) -> str:
    """A box in words; nothing for one without bounds."""
    parts = []
    for number in sorted(box):
        feature, bounds = features[number], box[number]
        if math.isfinite(bounds.low):
            parts.append(_cut(feature.above, bounds.low))
        if math.isfinite(bounds.high):
            parts.append(_cut(feature.below, bounds.high))
    return ", ".join(parts)


def _cut(text: str, threshold: float) -> str:
    return text.replace("{}", f"{threshold:.6g}")
