"""Speakers among whom a split is searched: every candidate, what the best is worth, and what chance finds there.

Few speakers are looked at one by one, and cut between any two of them. Many are pooled first: cuts lie on a grid, and
speakers whom none of them parts are one row of counts. Chance deals them anew in blocks (evenvoice.metrics.dealing),
and only what is kept is moved off the grid, to the best place among all speakers. So a million speakers are searched in
seconds, as finely as the difference in the end is told.

Shapes: S speakers, R rows (speakers, or pools of them), F features or families, K candidates, P shufflings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.cohorts.bounds import Box, edges
from evenvoice.cohorts.boxes import SIDES, boxes_by_edges, moved, widest_gaps
from evenvoice.cohorts.features import Feature
from evenvoice.cohorts.permutation import (
    Candidates,
    Cuts,
    Families,
    Gain,
    largest_gains,
    shuffled_gains,
    split_gains,
)
from evenvoice.cohorts.table import Floats, Integers
from evenvoice.metrics.dealing import DEALT_ALONE, Dealing

CUTS_OF_MANY: Final = 128
"""Straight cuts along a feature, where many speakers are pooled."""
LARGEST_CODE: Final = 2**40


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """What a split has to be: see the fields of the same name in evenvoice.params.Discover."""

    gain: Gain
    min_speakers: int
    min_words: int
    box_edges: int = 0


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What candidates part: speakers, or pools of speakers who lie on the same side of each.

    Attributes:
        speakers_R: how many each row is.
        row_S: the row of each speaker; None where each is a row.
    """

    values_RF: Floats
    speakers_R: Integers
    errors_R: Integers
    words_R: Integers
    row_S: NDArray[np.intp] | None


class Node:
    """One part of the tree's space, before it is split.

    Args:
        values_SF: features of the speakers in it.
    """

    def __init__(self, features: Sequence[Feature], values_SF: Floats, errors_S: Integers, words_S: Integers,
                 settings: SplitSettings) -> None:
        self.values_SF, self.errors_S, self.words_S, self._settings = values_SF, errors_S, words_S, settings
        self._grid = ([widest_gaps(values_S, settings.box_edges) for values_S in values_SF.T]
                      if settings.box_edges and len(values_SF) else [])
        pooled = len(values_SF) > DEALT_ALONE
        self._cuts = [_thresholds(feature, values_S, pooled=pooled)
                      for feature, values_S in zip(features, values_SF.T, strict=True)]
        self._movable = [pooled and feature.thresholds is None for feature in features]
        self._rows = self._pooled() if pooled else Rows(
            values_RF=values_SF, speakers_R=np.ones(len(values_SF), dtype=np.int64), errors_R=errors_S,
            words_R=words_S, row_S=None)
        self._families = self._all_families()

    @cached_property
    def gains(self) -> Floats:
        """The largest gain of each family; minus infinity where it has no split."""
        gains_F: Floats = largest_gains(
            errors_PS=self._rows.errors_R[None], words_PS=self._rows.words_R[None], families=self._families,
            min_words=self._settings.min_words, gain=self._settings.gain)[0]
        return gains_F

    def by_chance(self, permutations: int, rng: np.random.Generator) -> Floats:
        """:attr:`gains` where whole speakers are shuffled, errors and words together (P, F)."""
        rows, settings = self._rows, self._settings
        if rows.row_S is None:
            return shuffled_gains(errors_S=rows.errors_R, words_S=rows.words_R, families=self._families,
                                  gain=settings.gain, min_words=settings.min_words, permutations=permutations, rng=rng)
        dealing = Dealing(rows.row_S, np.column_stack([self.errors_S, self.words_S]), len(rows.errors_R))
        counts_PR2 = np.stack(list(dealing.deal(permutations, rng)))
        return largest_gains(errors_PS=counts_PR2[:, :, 0], words_PS=counts_PR2[:, :, 1], families=self._families,
                             min_words=settings.min_words, gain=settings.gain)

    def best(self, family: int) -> tuple[Box, float]:
        """The split of a family with the largest gain; of equals the first."""
        return self._best_of(self._families[family], self._rows.errors_R, self._rows.words_R)

    def fitted(self, box: Box, gain: float) -> tuple[Box, float]:
        """A split off its grid: sides moved one after the other, each to the best place up to its neighbours."""
        on_grid = edges(box) > 1
        for feature, bounds in sorted(box.items()):
            grid = self._grid[feature] if on_grid else self._cuts[feature]
            for side in SIDES:
                if math.isfinite(getattr(bounds, side)) and (on_grid or self._movable[feature]):
                    candidates = moved(box, feature, side, self.values_SF, grid, self._settings.min_speakers)
                    box, gain = self._best_of([candidates], self.errors_S, self.words_S)
        return box, gain

    def _best_of(self, family: Sequence[Candidates], errors_R: Integers, words_R: Integers) -> tuple[Box, float]:
        best: Box = {}
        largest = -math.inf
        for candidates in family:
            gains_K = split_gains(errors_PS=errors_R[None], words_PS=words_R[None], candidates=candidates,
                                  min_words=self._settings.min_words, gain=self._settings.gain)[0]
            if gains_K.max(initial=-math.inf) > largest:
                k = int(gains_K.argmax())
                largest = float(gains_K[k])
                best = candidates.box(k)
        return best, largest

    def _all_families(self) -> Families:
        """Straight cuts are one family, and boxes of two, of three and of four edges one each."""
        rows, least = self._rows, self._settings.min_speakers
        cuts = [_cuts(column, thresholds_K, rows.values_RF[:, column], rows.speakers_R, least)
                for column, thresholds_K in enumerate(self._cuts)]
        boxes = boxes_by_edges(rows.values_RF, self._grid, rows.speakers_R, least) if self._grid else []
        return [cuts, *([one] for one in boxes)]

    def _pooled(self) -> Rows:
        """Those together who lie between the same cuts of every feature, and the same edges of boxes."""
        code_S = np.zeros(len(self.values_SF), dtype=np.int64)
        for column, values_S in enumerate(self.values_SF.T):
            places = np.union1d(self._cuts[column], self._grid[column]) if self._grid else self._cuts[column]
            code_S = code_S * (len(places) + 1) + np.searchsorted(places, _below_if_unknown(values_S), side="left")
            if code_S.max() > LARGEST_CODE:
                code_S = np.unique(code_S, return_inverse=True)[1]
        _, first_R, row_S = np.unique(code_S, return_index=True, return_inverse=True)
        speakers_R, errors_R, words_R = (np.bincount(row_S, counts_S).astype(np.int64) for counts_S in (
            None, self.errors_S, self.words_S))
        return Rows(values_RF=self.values_SF[first_R], speakers_R=speakers_R, errors_R=errors_R, words_R=words_R,
                    row_S=row_S)


def _thresholds(feature: Feature, values_S: Floats, *, pooled: bool) -> Floats:
    """Where straight cuts may lie, ascending."""
    if feature.thresholds is not None:
        return np.array(feature.thresholds, dtype=np.float64)
    known_S = values_S[np.isfinite(values_S)]
    if pooled and len(known_S):
        return widest_gaps(known_S, CUTS_OF_MANY)
    distinct = np.unique(known_S)
    return np.asarray((distinct[:-1] + distinct[1:]) / 2)


def _cuts(column: int, thresholds_K: Floats, values_R: Floats, speakers_R: Integers, min_speakers: int) -> Cuts:
    """Those that leave enough speakers on both sides."""
    values_R = _below_if_unknown(values_R)
    order_R = np.argsort(values_R, kind="stable")
    sizes_K = np.searchsorted(values_R[order_R], thresholds_K, side="right")
    below_K = np.concatenate([[0], np.cumsum(speakers_R[order_R])])[sizes_K]
    large_K = (below_K >= min_speakers) & (speakers_R.sum() - below_K >= min_speakers)
    return Cuts(feature=column, order=order_R, sizes=sizes_K[large_K], thresholds=thresholds_K[large_K])


def _below_if_unknown(values_R: Floats) -> Floats:
    return np.where(np.isnan(values_R), -np.inf, values_R)
