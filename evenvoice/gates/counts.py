"""Everything that must be within a limit, bounded together: WERs and ratios of WERs, by evenvoice.gates.limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from evenvoice.gates.evidence import Evidence
from evenvoice.gates.limits import Bounds, Count
from evenvoice.metrics.bootstrap import (
    Drawn,
    Mask,
    Resampled,
    SpeakerBootstrap,
    dispersion,
    dispersion_error,
    ratio_of_groups,
    ratio_of_models,
    simultaneous_level,
)
from evenvoice.metrics.partitions import Partition
from evenvoice.params import DENSE, Gate

REPLICATES: Final = 4000
"""Not a setting: a verdict must not depend on how long somebody was willing to wait."""
STREAM: Final = 0x67617465
"""Keeps these random numbers apart from those that other stages draw from the same seed."""


class Scope(NamedTuple):
    """A cohort of a method, or everyone."""

    method: str
    cohort: str


WHOLE: Final = Scope("whole", "whole")
OTHERS: Final = {"rest": "everyone else", "whole": "everyone"}
"""Whom a cohort is compared with that no cohort is by name."""


class _Others(NamedTuple):
    """Whom a cohort is compared with."""

    drawn: Drawn
    members_S: Mask


class Counts:
    """All counts of one judgement; scopes with fewer speakers than ``min_speakers`` have none."""

    def __init__(self, evidence: Evidence, limits: Gate, seed: int) -> None:
        self._evidence, self._limits = evidence, limits
        self._models = list(dict.fromkeys(evidence.judged))
        self._cohorts = {partition.method: evidence.cohorts_of(partition, limits.min_speakers)
                         for partition in evidence.partitions}
        scopes = [WHOLE, *(scope for partition in self.comparable for scope in self.scopes(partition))]
        self._drawn = dict(zip(scopes, self._all_drawn(scopes, seed), strict=True))
        self._phi = dispersion(evidence.test.table(evidence.challenger))
        self.log_wers = {scope: self._log_wer(evidence.challenger, drawn) for scope, drawn in self._drawn.items()
                         if self.speakers(scope) >= limits.min_speakers}
        self._gaps, self._changes = dict(self._gap_counts()), dict(self._change_counts())
        self._savings = dict(self._saving_counts())
        self._whole = self._whole_count()
        every = [*self._gaps.values(), *self._changes.values(), *self._savings.values(),
                 *([self._whole] if self._whole else [])]
        self._level = simultaneous_level([count.statistic for count in every], limits.confidence)

    @property
    def comparable(self) -> tuple[Partition, ...]:
        """Those with two cohorts that are judged."""
        return tuple(partition for partition in self._evidence.partitions if self._cohorts[partition.method])

    def scopes(self, partition: Partition) -> tuple[Scope, ...]:
        """What is judged of it, those that have a rank first."""
        return tuple(Scope(partition.method, cohort) for cohort in self._cohorts[partition.method])

    def members(self, scope: Scope) -> Mask:
        """(S,) who is in it."""
        return self._evidence.test.everyone if scope == WHOLE else self._evidence.test.members(*scope)

    def speakers(self, scope: Scope) -> int:
        """Test speakers in it; those without words are no evidence."""
        return int(self._drawn[scope].heard_U.sum())

    def gap(self, scope: Scope) -> Bounds | None:
        """(W_cohort - W_against) / W_against; None for a top cohort by itself, and where either is too small."""
        return self._relative(self._gaps[scope]) if scope in self._gaps else None

    def against(self, partition: Partition) -> str:
        """Whom its cohorts are compared with."""
        return partition.top if self._limits.reference == "top" else OTHERS[self._limits.reference]

    @property
    def whole(self) -> Bounds | None:
        """WER of everyone; None with too few speakers."""
        if self._whole is None:
            return None
        return self._bounds(self._whole, math.exp)

    def changes(self) -> Iterator[tuple[Scope, Bounds]]:
        """(W_challenger - W_base) / W_base of everyone and of each top cohort; none for the base itself."""
        for scope, count in self._changes.items():
            yield scope, self._relative(count)

    def savings(self) -> Iterator[tuple[Scope, Bounds]]:
        """(W_challenger - W_dense) / W_dense of everyone and of each cohort, where the challenger saves computation."""
        for scope, count in self._savings.items():
            yield scope, self._relative(count)

    def _all_drawn(self, scopes: list[Scope], seed: int) -> list[Drawn]:
        test = self._evidence.test
        bootstrap = SpeakerBootstrap(len(test.speakers), REPLICATES, np.random.default_rng([seed, STREAM]))
        errors_SM = np.column_stack([test.errors[model] for model in self._models])
        return bootstrap.draw(np.column_stack([test.words, errors_SM]), test.words,
                              [self.members(scope) for scope in scopes])

    def _log_wer(self, model: str, drawn: Drawn) -> Resampled:
        return drawn.log_wers()[self._models.index(model)]

    def _gap_counts(self) -> Iterator[tuple[Scope, Count]]:
        limit = math.log1p(self._limits.max_gap)
        for partition in self.comparable:
            for scope in self.scopes(partition):
                if scope in self.log_wers and (others := self._compared_with(scope, partition)) is not None:
                    group, other = self.log_wers[scope], self._log_wer(self._evidence.challenger, others.drawn)
                    cautious = ratio_of_groups(self._cautious(group, self._drawn[scope], self.members(scope)),
                                               self._cautious(other, others.drawn, others.members_S))
                    yield scope, self._count(scope, ratio_of_groups(group, other), limit, cautious)

    def _compared_with(self, scope: Scope, partition: Partition) -> _Others | None:
        """Whom a cohort is compared with; None for a top cohort by itself, and where they are too few."""
        if self._limits.reference == "rest":
            others = _Others(self._drawn[WHOLE].without(self._drawn[scope]), ~self.members(scope))
            return others if others.drawn.heard_U.sum() >= self._limits.min_speakers else None
        other = Scope(partition.method, partition.top) if self._limits.reference == "top" else WHOLE
        return None if other == scope or other not in self.log_wers else _Others(self._drawn[other],
                                                                                 self.members(other))

    def _cautious(self, log_wer: Resampled, drawn: Drawn, members_S: Mask) -> Resampled:
        errors = float(drawn.totals_K[1 + self._models.index(self._evidence.challenger)])
        least = dispersion_error(self._phi, errors=errors, words_S=self._evidence.test.words[members_S])
        return replace(log_wer, standard_error=max(log_wer.standard_error, least))

    def _whole_count(self) -> Count | None:
        if WHOLE not in self.log_wers:
            return None
        return self._count(WHOLE, self.log_wers[WHOLE], math.log(self._limits.max_wer))

    def _change_counts(self) -> Iterator[tuple[Scope, Count]]:
        tops = [Scope(partition.method, partition.top) for partition in self.comparable]
        for scope in (WHOLE, *tops):
            if self._evidence.challenger != self._evidence.base and scope in self.log_wers:
                yield scope, self._change(scope, self._evidence.base, self._limits.regression_margin)

    def _saving_counts(self) -> Iterator[tuple[Scope, Count]]:
        if self._evidence.saving is not None:
            for scope in self.log_wers:
                yield scope, self._change(scope, DENSE, self._limits.saving_margin)

    def _change(self, scope: Scope, reference: str, margin: float) -> Count:
        change = ratio_of_models(self.log_wers[scope], self._log_wer(reference, self._drawn[scope]))
        return self._count(scope, change, math.log1p(margin))

    def _count(self, scope: Scope, statistic: Resampled, limit: float, cautious: Resampled | None = None) -> Count:
        return Count(statistic=statistic, limit=limit, speakers=self.speakers(scope), cautious=cautious)

    def _relative(self, count: Count) -> Bounds:
        return self._bounds(count, math.expm1)

    def _bounds(self, count: Count, scale: Callable[[float], float]) -> Bounds:
        return count.bounds(level=self._level, confidence=self._limits.confidence, scale=scale)
