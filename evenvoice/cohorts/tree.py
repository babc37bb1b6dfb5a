"""A binary tree over properties of speakers: grown best-first on discover speakers, pruned on validate speakers.

The geographic and the geodemographic method differ only in the features that they hand to it, and in whether boxes are
searched beside straight cuts. Growing asks of each split that chance rarely finds one as good; pruning asks that other
speakers show the difference in the same direction. Neither looks at test speakers.

Shapes: S speakers, F features, K cuts of one feature.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.cohorts.bounds import Box, Part, box_words, inside, part
from evenvoice.cohorts.boxes import boxes_by_edges
from evenvoice.cohorts.features import Feature
from evenvoice.cohorts.permutation import (
    Candidates,
    Cuts,
    Families,
    Gain,
    beyond_chance,
    largest_gains,
    permutation_p_value,
    shuffled_gains,
    split_gains,
)
from evenvoice.cohorts.table import CohortTable, Floats, Integers, word_error_rate

UNPLACED: Final = -1
ROOT: Final = 0
MIN_VALIDATE_SPEAKERS: Final = 3
"""A split with fewer validate speakers on a side is merged: their WER says nothing about its direction."""


@dataclass(frozen=True, kw_only=True)
class TreeSettings:
    """When a tree stops: see the fields of the same name in evenvoice.params.Discover."""

    max_cohorts: int
    gain: Gain
    permutations: int
    significance: float
    min_speakers: int
    min_words: int
    box_edges: int = 0


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
        nodes_S = _nodes(self.splits, feature_values(self.features, table))
        cohort_of = {node: cohort for cohort, node in enumerate(self.leaves)}
        cohorts_S = np.array([cohort_of[node] for node in nodes_S.tolist()], dtype=np.intp)
        cohorts_S[~placeable(self.features, table)] = UNPLACED
        return cohorts_S

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
    return np.asarray(~np.isnan(feature_values(features, table)).all(axis=1))


def fit_tree(*, features: Sequence[Feature], discover: CohortTable, validate: CohortTable, settings: TreeSettings,
             rng: np.random.Generator) -> CohortTree:
    """Grow on ``discover``, prune on ``validate``, order the leaves by the WER of ``discover``, and freeze."""
    fitted = discover.where(placeable(features, discover))
    grown = _grow(features, fitted, settings, rng)
    considered = _prune(grown, features, fitted, validate.where(placeable(features, validate)))
    splits = tuple(item.split for item in considered if item.outcome == "kept")
    nodes_S = _nodes(splits, feature_values(features, fitted))
    leaves = sorted(set(nodes_S.tolist()), key=lambda node: -word_error_rate(
        fitted.errors[nodes_S == node], fitted.words[nodes_S == node]))
    return CohortTree(features=tuple(features), splits=splits, leaves=tuple(leaves), considered=tuple(considered))


def _grow(features: Sequence[Feature], table: CohortTable, settings: TreeSettings,
          rng: np.random.Generator) -> list[ConsideredSplit]:
    """Test the best split of all nodes, part its node if chance does not explain it, and go on."""
    values_SF = feature_values(features, table)
    frontier: list[tuple[float, int, NDArray[np.intp]]] = []
    considered: list[ConsideredSplit] = []

    def families_of(rows_S: NDArray[np.intp]) -> Families:
        return _families(features, values_SF[rows_S], settings)

    def look_at(node: int, rows_S: NDArray[np.intp]) -> None:
        gains_PF = largest_gains(errors_PS=table.errors[rows_S][None], words_PS=table.words[rows_S][None],
                                 families=families_of(rows_S), min_words=settings.min_words, gain=settings.gain)
        if gains_PF.max() > 0:
            heapq.heappush(frontier, (-float(gains_PF.max()), node, rows_S))

    look_at(ROOT, np.arange(len(table)))
    leaves = 1
    while frontier and leaves < settings.max_cohorts:
        _, node, rows_S = heapq.heappop(frontier)
        item = _tested(node, families_of(rows_S), table.errors[rows_S], table.words[rows_S], settings, rng,
                       first_child=2 * len(considered) + 1)
        considered.append(item)
        if item.outcome == "kept":
            leaves += 1
            inside_S = inside(item.split.box, values_SF[rows_S])
            look_at(item.split.outside, rows_S[~inside_S])
            look_at(item.split.inside, rows_S[inside_S])
    return considered


def _families(features: Sequence[Feature], values_SF: Floats, settings: TreeSettings) -> Families:
    """Straight cuts are one family, and boxes of two, of three and of four edges one each."""
    cuts = [_cuts(column, feature, values_SF[:, column], settings.min_speakers)
            for column, feature in enumerate(features)]
    return [cuts, *([boxes] for boxes in boxes_by_edges(values_SF, settings.box_edges, settings.min_speakers))]


def _tested(node: int, families: Families, errors_S: Integers, words_S: Integers, settings: TreeSettings,
            rng: np.random.Generator, first_child: int) -> ConsideredSplit:
    """The test is of the best split of all families; the split is that of the family which stands out most."""
    gains_F = largest_gains(errors_PS=errors_S[None], words_PS=words_S[None], families=families,
                            min_words=settings.min_words, gain=settings.gain)[0]
    null_PF = shuffled_gains(errors_S=errors_S, words_S=words_S, families=families, gain=settings.gain,
                             min_words=settings.min_words, permutations=settings.permutations, rng=rng)
    p_value = permutation_p_value(float(gains_F.max()), null_PF)
    holds = p_value <= settings.significance
    box, gain = _best(families[beyond_chance(gains_F, null_PF)], errors_S, words_S, settings)
    return ConsideredSplit(
        split=Split(node=node, box=box, inside=first_child + 1, outside=first_child),
        speakers=len(errors_S), gain=gain, p_value=p_value, outcome="kept" if holds else "rejected",
        why="" if holds else f"chance alone finds a split as good in {p_value:.1%} of shufflings")


def _best(family: Sequence[Candidates], errors_S: Integers, words_S: Integers,
          settings: TreeSettings) -> tuple[Box, float]:
    """The split of a family with the largest gain; of equals the first."""
    best: Box = {}
    largest = -math.inf
    for candidates in family:
        gains_K = split_gains(errors_PS=errors_S[None], words_PS=words_S[None], candidates=candidates,
                              min_words=settings.min_words, gain=settings.gain)[0]
        if gains_K.max(initial=-math.inf) > largest:
            k = int(gains_K.argmax())
            largest = float(gains_K[k])
            best = candidates.box(k)
    return best, largest


def _cuts(column: int, feature: Feature, values_S: Floats, min_speakers: int) -> Cuts:
    values_S = np.where(np.isnan(values_S), -np.inf, values_S)
    order_S = np.argsort(values_S, kind="stable")
    sorted_S = values_S[order_S]
    if feature.thresholds is None:
        thresholds_K = _midpoints(sorted_S)
    else:
        thresholds_K = np.array(feature.thresholds, dtype=np.float64)
    sizes_K = np.searchsorted(sorted_S, thresholds_K, side="right")
    large_K = (sizes_K >= min_speakers) & (len(values_S) - sizes_K >= min_speakers)
    return Cuts(feature=column, order=order_S, sizes=sizes_K[large_K], thresholds=thresholds_K[large_K])


def _midpoints(sorted_S: Floats) -> Floats:
    distinct = np.unique(sorted_S[np.isfinite(sorted_S)])
    return (distinct[:-1] + distinct[1:]) / 2


def _prune(considered: list[ConsideredSplit], features: Sequence[Feature], discover: CohortTable,
           validate: CohortTable) -> list[ConsideredSplit]:
    """Merge, from the leaves upwards, splits that validate speakers do not show.

    A split above one that holds stays: without it the one below would lose its place in the tree.
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
        judged[position] = _judged_on_validate(item, splits, features, discover, validate)
    return judged


def _judged_on_validate(item: ConsideredSplit, splits: Sequence[Split], features: Sequence[Feature],
                        discover: CohortTable, validate: CohortTable) -> ConsideredSplit:
    (found, _), (shown, speakers) = (_difference(item.split, splits, features, table) for table in (discover, validate))
    if speakers < MIN_VALIDATE_SPEAKERS:
        return replace(item, outcome="pruned", why=f"{speakers} validate speakers on its smaller side, "
                                                   f"{MIN_VALIDATE_SPEAKERS} needed")
    if not found * shown > 0:
        return replace(item, outcome="pruned",
                       why=f"WER differs by {found:+.1%} on discover but {shown:+.1%} on validate speakers")
    return replace(item, why=f"WER differs by {found:+.1%} on discover and {shown:+.1%} on validate speakers")


def _difference(split: Split, splits: Sequence[Split], features: Sequence[Feature],
                table: CohortTable) -> tuple[float, int]:
    """WER inside minus WER outside a split, in points, and the speakers on its smaller side."""
    nodes_S = _nodes(splits, feature_values(features, table))
    inside_S, outside_S = nodes_S == split.inside, nodes_S == split.outside
    difference = (word_error_rate(table.errors[inside_S], table.words[inside_S])
                  - word_error_rate(table.errors[outside_S], table.words[outside_S]))
    return difference, int(min(inside_S.sum(), outside_S.sum()))


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
