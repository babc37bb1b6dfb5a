"""A binary tree over properties of speakers: grown best-first on discover speakers, pruned on validate speakers.

The geographic and the geodemographic method differ only in the features that they hand to it. Growing asks of each
split that chance rarely finds one as good; pruning asks that other speakers show the difference in the same
direction. Neither looks at test speakers.

Shapes: S speakers, F features, K cuts of one feature.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.cohorts.permutation import Cuts, Gain, permutation_p_value, split_gains
from evenvoice.cohorts.table import CohortTable, Floats, word_error_rate

UNPLACED: Final = -1
ROOT: Final = 0
MIN_VALIDATE_SPEAKERS: Final = 3
"""A split with fewer validate speakers on a side is merged: their WER says nothing about its direction."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One property of a speaker as a number.

    Args:
        read: takes the table to the property (S,); NaN where unknown, which counts as below every cut.
        above: how a rule reads for speakers above a cut, with ``{}`` for the cut, e.g. ``north of {}``.
        below: the same for the others.
        thresholds: the only cuts allowed, ascending; None allows every cut between two neighbouring values.
    """

    name: str
    read: Callable[[CohortTable], Floats]
    above: str
    below: str
    thresholds: tuple[float, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class TreeSettings:
    """When a tree stops: see the fields of the same name in evenvoice.params.Discover."""

    max_cohorts: int
    gain: Gain
    permutations: int
    significance: float
    min_speakers: int
    min_words: int


@dataclass(frozen=True, kw_only=True)
class Split:
    """Where a node parts its speakers: a feature above ``threshold`` goes to ``above``, all else to ``below``."""

    node: int
    feature: int
    threshold: float
    below: int
    above: int


@dataclass(frozen=True, kw_only=True)
class ConsideredSplit:
    """A split that was looked at, and what became of it: kept, pruned or rejected, and why."""

    split: Split
    speakers: int
    gain: float
    p_value: float
    outcome: str
    why: str


@dataclass(frozen=True)
class Bounds:
    """What a node says about one feature: above ``low`` and not above ``high``; infinite where it says nothing."""

    low: float = float("-inf")
    high: float = float("inf")


@dataclass(frozen=True, kw_only=True)
class CohortTree:
    """A frozen rule. ``leaves`` are node numbers in cohort order, worst WER of discover speakers first."""

    features: tuple[Feature, ...]
    splits: tuple[Split, ...]
    leaves: tuple[int, ...]
    considered: tuple[ConsideredSplit, ...] = field(repr=False)

    def assign(self, table: CohortTable) -> NDArray[np.intp]:
        """Cohort number (S,) of each speaker, :data:`UNPLACED` for one of whom no feature is known."""
        values_SF = feature_values(self.features, table)
        nodes_S = _nodes(self.splits, values_SF)
        cohort_of = {node: cohort for cohort, node in enumerate(self.leaves)}
        cohorts_S = np.array([cohort_of[node] for node in nodes_S.tolist()], dtype=np.intp)
        cohorts_S[~placeable(self.features, table)] = UNPLACED
        return cohorts_S

    def bounds(self, cohort: int) -> dict[int, Bounds]:
        """Bounds of a cohort by feature number."""
        return _bounds([item.split for item in self.considered], self.leaves[cohort])

    def rule(self, cohort: int) -> str:
        """A cohort in words, e.g. ``north of 35.2, west of -101.3``."""
        return _rule(self.features, self.bounds(cohort))

    def described_splits(self) -> list[dict[str, object]]:
        """Every split that was looked at, for description.json."""
        all_splits = [item.split for item in self.considered]
        return [{
            "within": _rule(self.features, _bounds(all_splits, item.split.node)),
            "split": _cut_text(self.features[item.split.feature].above, item.split.threshold),
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


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """The best cut of a node, the speakers ``rows`` it would part, and all ``cuts`` it was chosen from."""

    feature: int
    threshold: float
    gain: float
    cuts: tuple[Cuts, ...]
    rows: NDArray[np.intp]


def _grow(features: Sequence[Feature], table: CohortTable, settings: TreeSettings,
          rng: np.random.Generator) -> list[ConsideredSplit]:
    """Test the best candidate of all nodes, part its node if chance does not explain it, and go on."""
    values_SF = feature_values(features, table)
    frontier: list[tuple[float, int, _Candidate]] = []
    considered: list[ConsideredSplit] = []

    def look_at(node: int, rows_S: NDArray[np.intp]) -> None:
        candidate = _best_candidate(features, values_SF, table, rows_S, settings)
        if candidate is not None:
            heapq.heappush(frontier, (-candidate.gain, node, candidate))

    look_at(ROOT, np.arange(len(table)))
    leaves = 1
    while frontier and leaves < settings.max_cohorts:
        _, node, candidate = heapq.heappop(frontier)
        item = _tested(node, candidate, table, settings, rng, first_child=2 * len(considered) + 1)
        considered.append(item)
        if item.outcome == "kept":
            leaves += 1
            above_S = _is_above(values_SF[candidate.rows], item.split)
            look_at(item.split.below, candidate.rows[~above_S])
            look_at(item.split.above, candidate.rows[above_S])
    return considered


def _tested(node: int, candidate: _Candidate, table: CohortTable, settings: TreeSettings, rng: np.random.Generator,
            first_child: int) -> ConsideredSplit:
    p_value = permutation_p_value(
        observed=candidate.gain, errors_S=table.errors[candidate.rows], words_S=table.words[candidate.rows],
        cuts=candidate.cuts, min_words=settings.min_words, gain=settings.gain, permutations=settings.permutations,
        rng=rng)
    holds = p_value <= settings.significance
    return ConsideredSplit(
        split=Split(node=node, feature=candidate.feature, threshold=candidate.threshold, below=first_child,
                    above=first_child + 1),
        speakers=len(candidate.rows), gain=candidate.gain, p_value=p_value, outcome="kept" if holds else "rejected",
        why="" if holds else f"chance alone finds a split as good in {p_value:.1%} of shufflings")


def _best_candidate(features: Sequence[Feature], values_SF: Floats, table: CohortTable, rows_S: NDArray[np.intp],
                    settings: TreeSettings) -> _Candidate | None:
    cuts = tuple(_cuts(feature, values_SF[rows_S, column], settings.min_speakers)
                 for column, feature in enumerate(features))
    best: _Candidate | None = None
    for column, candidates in enumerate(cuts):
        if not len(candidates.sizes):
            continue
        gains_K = split_gains(errors_PS=table.errors[rows_S][None], words_PS=table.words[rows_S][None],
                              cuts=candidates, min_words=settings.min_words, gain=settings.gain)[0]
        k = int(gains_K.argmax())
        if gains_K[k] > (best.gain if best else 0.0):
            best = _Candidate(feature=column, threshold=float(candidates.thresholds[k]), gain=float(gains_K[k]),
                              cuts=cuts, rows=rows_S)
    return best


def _cuts(feature: Feature, values_S: Floats, min_speakers: int) -> Cuts:
    values_S = np.where(np.isnan(values_S), -np.inf, values_S)
    order_S = np.argsort(values_S, kind="stable")
    sorted_S = values_S[order_S]
    if feature.thresholds is None:
        thresholds_K = _midpoints(sorted_S)
    else:
        thresholds_K = np.array(feature.thresholds, dtype=np.float64)
    sizes_K = np.searchsorted(sorted_S, thresholds_K, side="right")
    large_K = (sizes_K >= min_speakers) & (len(values_S) - sizes_K >= min_speakers)
    return Cuts(order=order_S, sizes=sizes_K[large_K], thresholds=thresholds_K[large_K])


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
        if any(split.node in (item.split.below, item.split.above) for split in splits):
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
    """WER above minus WER below a split, in points, and the speakers on its smaller side."""
    nodes_S = _nodes(splits, feature_values(features, table))
    below_S, above_S = nodes_S == split.below, nodes_S == split.above
    difference = (word_error_rate(table.errors[above_S], table.words[above_S])
                  - word_error_rate(table.errors[below_S], table.words[below_S]))
    return difference, int(min(below_S.sum(), above_S.sum()))


def _nodes(splits: Sequence[Split], values_SF: Floats) -> NDArray[np.intp]:
    """The leaf node (S,) that each speaker falls to. Parents carry smaller numbers than their children."""
    nodes_S = np.full(len(values_SF), ROOT, dtype=np.intp)
    for split in sorted(splits, key=lambda split: split.node):
        here_S = nodes_S == split.node
        nodes_S[here_S] = np.where(_is_above(values_SF[here_S], split), split.above, split.below)
    return nodes_S


def _is_above(values_SF: Floats, split: Split) -> NDArray[np.bool_]:
    return np.asarray(values_SF[:, split.feature] > split.threshold)


def _bounds(splits: Sequence[Split], node: int) -> dict[int, Bounds]:
    parent_of = {child: split for split in splits for child in (split.below, split.above)}
    bounds: dict[int, Bounds] = {}
    while node in parent_of:
        split = parent_of[node]
        old = bounds.get(split.feature, Bounds())
        bounds[split.feature] = (replace(old, low=max(old.low, split.threshold)) if node == split.above
                                 else replace(old, high=min(old.high, split.threshold)))
        node = split.node
    return bounds


def _rule(features: Sequence[Feature], bounds: dict[int, Bounds]) -> str:
    parts = []
    for number in sorted(bounds):
        feature, bound = features[number], bounds[number]
        if np.isfinite(bound.low):
            parts.append(_cut_text(feature.above, bound.low))
        if np.isfinite(bound.high):
            parts.append(_cut_text(feature.below, bound.high))
    return ", ".join(parts) or "everyone"


def _cut_text(text: str, threshold: float) -> str:
    return text.replace("{}", f"{threshold:.6g}")
