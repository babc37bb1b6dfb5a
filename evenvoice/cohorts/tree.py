"""A binary tree over properties of speakers: grown best-first on discover speakers, pruned on validate speakers.

The geographic and the geodemographic method differ only in the features that they hand to it, and in whether boxes are
searched beside straight cuts. Growing asks of each split that chance rarely finds one as good; pruning asks that other
speakers show the difference in the same direction. Neither looks at test speakers.

Shapes: S speakers, F features.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.cohorts.bounds import Box, Part, box_words, inside, part
from evenvoice.cohorts.features import Feature
from evenvoice.cohorts.node import Node, SplitSettings
from evenvoice.cohorts.permutation import beyond_chance, permutation_p_value
from evenvoice.cohorts.table import CohortTable, Floats, Integers, word_error_rate

UNPLACED: Final = -1
ROOT: Final = 0
MIN_VALIDATE_SPEAKERS: Final = 3
"""A split with fewer validate speakers on a side is merged: their WER says nothing about its direction."""


@dataclass(frozen=True, kw_only=True)
class TreeSettings(SplitSettings):
    """When a tree stops: see the fields of the same name in evenvoice.params.Discover."""

    max_cohorts: int
    permutations: int
    significance: float


@dataclass(frozen=True, kw_only=True)
class Split:
    """Where a node parts its speakers: who lies in ``box`` goes to ``inside``, all else to ``outside``.

    A straight cut is a box with one edge: above the cut is inside.
    """

    node: int
    box: Box
    inside: int
    outside: int


@dataclass(frozen=True, kw_only=True)
class ConsideredSplit:
    """A split that was looked at, and what became of it: kept, pruned or rejected, and why."""

    split: Split
    speakers: int
    gain: float
    p_value: float
    outcome: str
    why: str


@dataclass(frozen=True, kw_only=True)
class FrozenTree:
    """A rule that places anyone. ``leaves`` are node numbers in cohort order."""

    features: tuple[Feature, ...]
    splits: tuple[Split, ...]
    leaves: tuple[int, ...]

    def assign(self, table: CohortTable) -> NDArray[np.intp]:
        """Cohort number (S,) of each speaker, :data:`UNPLACED` for one of whom no feature is known."""
        values_SF = feature_values(self.features, table)
        cohort_of = np.full(max(self.leaves) + 1, UNPLACED, dtype=np.intp)
        cohort_of[list(self.leaves)] = np.arange(len(self.leaves))
        return np.where(_known(values_SF), cohort_of[_nodes(self.splits, values_SF)], UNPLACED)

    def part(self, cohort: int) -> Part:
        """Where the speakers of a cohort are."""
        return _part(self.splits, self.leaves[cohort])

    def rule(self, cohort: int) -> str:
        """A cohort in words, e.g. ``north of 35.2, west of -101.3``."""
        return self.part(cohort).words(self.features)

    def first(self, cohorts: int) -> FrozenTree:
        """The tree of so many cohorts that this one was before its later splits, in no order of WER.

        Splits were made best first, each within a node of an earlier one.
        """
        splits = self.splits[:cohorts - 1]
        parted = {split.node for split in splits}
        nodes = {ROOT}.union(*({split.inside, split.outside} for split in splits))
        return FrozenTree(features=self.features, splits=splits, leaves=tuple(sorted(nodes - parted)))


@dataclass(frozen=True, kw_only=True)
class CohortTree(FrozenTree):
    """What was fitted: the worst WER of discover speakers first, and every split that was looked at."""

    considered: tuple[ConsideredSplit, ...] = field(repr=False)

    def described_splits(self) -> list[dict[str, object]]:
        """Every split that was looked at, for description.json."""
        all_splits = [item.split for item in self.considered]
        return [{
            "within": _part(all_splits, item.split.node).words(self.features),
            "split": box_words(item.split.box, self.features),
            "speakers": item.speakers, "gain": item.gain, "p_value": item.p_value,
            "outcome": item.outcome, "why": item.why,
        } for item in self.considered]


def feature_values(features: Sequence[Feature], table: CohortTable) -> Floats:
    """All features of all speakers: (S, F)."""
    return np.column_stack([feature.read(table) for feature in features])


def placeable(features: Sequence[Feature], table: CohortTable) -> NDArray[np.bool_]:
    """Speakers (S,) of whom at least one feature is known."""
    return _known(feature_values(features, table))


def _known(values_SF: Floats) -> NDArray[np.bool_]:
    return np.asarray(~np.isnan(values_SF).all(axis=1))


def fit_tree(*, features: Sequence[Feature], discover: CohortTable, validate: CohortTable, settings: TreeSettings,
             rng: np.random.Generator) -> CohortTree:
    """Grow on ``discover``, prune on ``validate``, order the leaves by the WER of ``discover``, and freeze."""
    fitted = discover.where(placeable(features, discover))
    grown = _grow(features, fitted, settings, rng)
    considered = _prune(grown, [_Heard.of(features, table) for table in (
        fitted, validate.where(placeable(features, validate)))])
    splits = tuple(item.split for item in considered if item.outcome == "kept")
    nodes_S = _nodes(splits, feature_values(features, fitted))
    leaves = sorted(set(nodes_S.tolist()), key=lambda node: -word_error_rate(
        fitted.errors[nodes_S == node], fitted.words[nodes_S == node]))
    return CohortTree(features=tuple(features), splits=splits, leaves=tuple(leaves), considered=tuple(considered))


def _grow(features: Sequence[Feature], table: CohortTable, settings: TreeSettings,
          rng: np.random.Generator) -> list[ConsideredSplit]:
    """Test the best split of all nodes, part its node if chance does not explain it, and go on."""
    values_SF = feature_values(features, table)
    frontier: list[tuple[float, int, NDArray[np.intp], Node]] = []
    considered: list[ConsideredSplit] = []

    def look_at(number: int, rows_S: NDArray[np.intp]) -> None:
        node = Node(features, values_SF[rows_S], table.errors[rows_S], table.words[rows_S], settings)
        if node.gains.max() > 0:
            heapq.heappush(frontier, (-float(node.gains.max()), number, rows_S, node))

    look_at(ROOT, np.arange(len(table)))
    leaves = 1
    while frontier and leaves < settings.max_cohorts:
        _, number, rows_S, node = heapq.heappop(frontier)
        item = _tested(number, node, settings, rng, first_child=2 * len(considered) + 1)
        considered.append(item)
        if item.outcome == "kept":
            leaves += 1
            inside_S = inside(item.split.box, node.values_SF)
            look_at(item.split.outside, rows_S[~inside_S])
            look_at(item.split.inside, rows_S[inside_S])
    return considered


def _tested(number: int, node: Node, settings: TreeSettings, rng: np.random.Generator, first_child: int
            ) -> ConsideredSplit:
    """The test is of the best split of all families; the split is that of the family which stands out most.

    Only after the test is the grid left, and each side of a box moved to where it parts the speakers best.
    """
    null_PF = node.by_chance(settings.permutations, rng)
    p_value = permutation_p_value(float(node.gains.max()), null_PF)
    holds = p_value <= settings.significance
    box, gain = node.best(beyond_chance(node.gains, null_PF))
    if holds:
        box, gain = node.fitted(box, gain)
    return ConsideredSplit(
        split=Split(node=number, box=box, inside=first_child + 1, outside=first_child),
        speakers=len(node.errors_S), gain=gain, p_value=p_value, outcome="kept" if holds else "rejected",
        why="" if holds else f"chance alone finds a split as good in {p_value:.1%} of shufflings")


@dataclass(frozen=True, kw_only=True)
class _Heard:
    """Speakers of one split, as the tree sees them."""

    values_SF: Floats
    errors_S: Integers
    words_S: Integers

    @classmethod
    def of(cls, features: Sequence[Feature], table: CohortTable) -> _Heard:
        return cls(values_SF=feature_values(features, table), errors_S=table.errors, words_S=table.words)

    def difference(self, split: Split, splits: Sequence[Split]) -> tuple[float, int]:
        """WER inside minus WER outside a split, in points, and the speakers on its smaller side."""
        nodes_S = _nodes(splits, self.values_SF)
        inside_S, outside_S = nodes_S == split.inside, nodes_S == split.outside
        difference = (word_error_rate(self.errors_S[inside_S], self.words_S[inside_S])
                      - word_error_rate(self.errors_S[outside_S], self.words_S[outside_S]))
        return difference, int(min(inside_S.sum(), outside_S.sum()))


def _prune(considered: list[ConsideredSplit], heard: Sequence[_Heard]) -> list[ConsideredSplit]:
    """Merge, from the leaves upwards, splits that validate speakers do not show.

    A split above one that holds stays: without it the one below would lose its place in the tree.

    Args:
        heard: discover speakers and validate speakers.
    """
    judged = list(considered)
    for position in reversed(range(len(judged))):
        item = judged[position]
        if item.outcome != "kept":
            continue
        splits = [other.split for other in judged if other.outcome == "kept"]
        if any(split.node in (item.split.inside, item.split.outside) for split in splits):
            judged[position] = replace(item, why="a split below it holds on validate speakers")
            continue
        judged[position] = _judged_on_validate(item, *(one.difference(item.split, splits) for one in heard))
    return judged


def _judged_on_validate(item: ConsideredSplit, discover: tuple[float, int], validate: tuple[float, int]
                        ) -> ConsideredSplit:
    (found, _), (shown, speakers) = discover, validate
    if speakers < MIN_VALIDATE_SPEAKERS:
        return replace(item, outcome="pruned", why=f"{speakers} validate speakers on its smaller side, "
                                                   f"{MIN_VALIDATE_SPEAKERS} needed")
    if not found * shown > 0:
        return replace(item, outcome="pruned",
                       why=f"WER differs by {found:+.1%} on discover but {shown:+.1%} on validate speakers")
    return replace(item, why=f"WER differs by {found:+.1%} on discover and {shown:+.1%} on validate speakers")


def _nodes(splits: Sequence[Split], values_SF: Floats) -> NDArray[np.intp]:
    """The leaf node (S,) that each speaker falls to. Parents carry smaller numbers than their children."""
    nodes_S = np.full(len(values_SF), ROOT, dtype=np.intp)
    for split in sorted(splits, key=lambda split: split.node):
        here_S = nodes_S == split.node
        nodes_S[here_S] = np.where(inside(split.box, values_SF[here_S]), split.inside, split.outside)
    return nodes_S


def _part(splits: Sequence[Split], node: int) -> Part:
    """Where the speakers of a node are, by the splits above it."""
    parent_of = {child: split for split in splits for child in (split.inside, split.outside)}
    within: list[Box] = []
    outside: list[Box] = []
    while node in parent_of:
        split = parent_of[node]
        (within if node == split.inside else outside).append(split.box)
        node = split.node
    return part(reversed(within), reversed(outside))
