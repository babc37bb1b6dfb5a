"""Regions of differing WER: a tree of axis-aligned cuts and boxes over longitude and latitude (arXiv 2207.07850).

Boxes make small and interior regions visible, and regions on several sides of a border, to which no first straight
cut leads.

Longitude runs from -180 to 180 degrees; a region across the antimeridian comes out as two.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from evenvoice.cohorts.bounds import Bounds, Box, Part
from evenvoice.cohorts.description import MOST_COARSE, Found, Given, Method, NotApplicable
from evenvoice.cohorts.features import coordinate
from evenvoice.cohorts.tree import CohortTree, TreeSettings, fit_tree
from evenvoice.params import Discover

FEATURES: Final = (coordinate("lat"), coordinate("lon"))


def find_regions(given: Given, settings: Discover, rng: np.random.Generator) -> Found | NotApplicable:
    """Grow the tree on the discover speakers who have a location, and prune it on the validate speakers who do."""
    discover = given.discover
    located = int((~np.isnan(discover.lat)).sum())
    needed = 2 * settings.min_speakers
    if located < needed:
        return NotApplicable(f"{located} discover speakers have a location, {needed} needed for two regions")
    own = settings.geographic
    tree = fit_tree(features=FEATURES, discover=discover, validate=given.validate, rng=rng, settings=TreeSettings(
        max_cohorts=own.max_cohorts, gain=own.split_gain, permutations=own.permutations, box_edges=own.box_edges,
        significance=own.significance, min_speakers=settings.min_speakers, min_words=settings.min_words))
    found = found_by_tree(tree, prefix="region")
    found.extra["boxes"] = {name: _drawn(tree.part(number)) for number, name in enumerate(found.names())}
    found.extra["extent"] = {"lat": [float(np.nanmin(discover.lat)), float(np.nanmax(discover.lat))],
                             "lon": [float(np.nanmin(discover.lon)), float(np.nanmax(discover.lon))]}
    return found


def found_by_tree(tree: CohortTree, prefix: str) -> Found:
    """A tree's leaves as cohorts, with every split that was looked at."""
    outcomes = [item.outcome for item in tree.considered]
    pruned, kept = outcomes.count("pruned"), outcomes.count("kept")
    reason = (f"{len(tree.leaves)} cohorts from {kept} split{'s' if kept > 1 else ''} that chance does not explain and "
              f"validate speakers confirm" if tree.splits else "no split survives")
    if pruned:
        reason += f"; {pruned} pruned on validate speakers"
    return Found(rule=tree, prefix=prefix, reason=reason,
                 coarser={cohorts: tree.first(cohorts) for cohorts in range(2, min(len(tree.leaves), MOST_COARSE) + 1)},
                 extra={"splits": tree.described_splits()},
                 rules=tuple(tree.rule(number) for number in range(len(tree.leaves))))


def _drawn(part: Part) -> dict[str, Any]:
    """The box of a region for the map, and the boxes inside it that are other regions."""
    return {**_sides(part.box), "except": [_sides(hole) for hole in part.holes]}


def _sides(box: Box) -> dict[str, float | None]:
    lat, lon = box.get(0, Bounds()), box.get(1, Bounds())
    edges = {"lat_min": lat.low, "lat_max": lat.high, "lon_min": lon.low, "lon_max": lon.high}
    return {name: edge if math.isfinite(edge) else None for name, edge in edges.items()}


METHOD = Method(title="Geographic tree", goes_by="places", find=find_regions)
