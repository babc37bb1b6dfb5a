"""What every point changed against the base model over seeds: bottom and top cohort, whole, variance over cohorts.

WERs enter as logarithms, and a change over seeds is the mean of the logarithms of ratios turned back. A seed counts
where discovery found two cohorts and at least two test speakers of the bottom one, and of the top one, were heard.

At equal bottom gain: fine-tuning's curve leads from the base model over its steps. Where it crosses the bottom change
of another point, its whole is interpolated, linearly in logarithms; of all places of the curve whose bottom is at least
as good the lowest whole counts, in fine-tuning's favour. A point that gains more than fine-tuning ever does is held
against where fine-tuning gains most. The difference of the wholes is paired, seed by seed and speaker by speaker. The
place on the curve moves with the speakers too; its slope turns what the bottom moves by into what the whole does
(delta method).

Shapes: S speakers, N seeds, R replicates, M models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from benchmarks.pareto.over_seeds import OverSeeds
from benchmarks.pareto.plan import Point
from evenvoice.metrics.bootstrap import Interval, Mask, SpeakerBootstrap, ratio_of_models
from evenvoice.metrics.partitions import Partition
from evenvoice.metrics.speakers import SplitTable
from evenvoice.metrics.variance import UNKNOWN, CohortVariance, cohort_variances
from evenvoice.params import BASE

REPLICATES: Final = 2000
CONFIDENCE: Final = 0.95
FEWEST: Final = 2
REFERENCE: Final = "finetune"
Curve = Sequence[tuple[OverSeeds, OverSeeds]]
"""(bottom, whole) from the base model on."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Seed:
    """Test speakers of one seed under the base model and every point, and the cohorts of discovery."""

    seed: int
    table: SplitTable
    partition: Partition

    @property
    def bottom(self) -> Mask:
        """(S,) whether a speaker is in the bottom cohort and was heard."""
        return self._heard_of(self.partition.bottom if self.partition.comparable else None)

    @property
    def top(self) -> Mask:
        """(S,) whether a speaker is in the top cohort and was heard."""
        return self._heard_of(self.partition.top if self.partition.comparable else None)

    def _heard_of(self, cohort: str | None) -> Mask:
        heard_S: Mask = self.table.words > 0
        return np.zeros_like(heard_S) if cohort is None else self.table.members(self.partition.method, cohort) & heard_S

    @property
    def left_out(self) -> str:
        """Why the seed says nothing; empty where it counts."""
        if not self.partition.comparable:
            return f"{self.partition.method} found no two cohorts"
        few = [f"{found} test speakers of the {name} cohort" for name, members_S in
               (("bottom", self.bottom), ("top", self.top)) if (found := int(members_S.sum())) < FEWEST]
        return few[0] if few else ""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A line of the table: relative changes, each an interval of :data:`CONFIDENCE` over speakers and seeds.

    Attributes:
        variance: of the variance of WER over cohorts, seeds pooled; NaN where it could not be measured.
        bottom_seeds: change of each seed; whole_seeds likewise.
        against: whole against fine-tuning's at equal bottom gain; None of fine-tuning itself, of controls, and where
            the bottom gains nothing.
        against_together: the same so wide that all of the table hold at once (Bonferroni).
        beyond: whether the bottom gains more than fine-tuning ever does.
        front: no arm has a better bottom and a better whole.
    """

    point: Point
    bottom: Interval
    top: Interval
    whole: Interval
    variance: Interval
    bottom_seeds: tuple[float, ...]
    whole_seeds: tuple[float, ...]
    against: Interval | None
    against_together: Interval | None
    beyond: bool
    front: bool


def standings(seeds: Sequence[Seed], plan: Sequence[Point], *, replicates: int = REPLICATES) -> list[Standing]:
    """One for each point, in the order of the plan; none without a seed that counts."""
    counted = [seed for seed in seeds if not seed.left_out]
    if not counted:
        return []
    bootstraps = [SpeakerBootstrap(len(seed.table.speakers), replicates, np.random.default_rng(seed.seed))
                  for seed in counted]
    bottoms = _log_changes(counted, bootstraps, [seed.bottom for seed in counted])
    tops = _log_changes(counted, bootstraps, [seed.top for seed in counted])
    wholes = _log_changes(counted, bootstraps, [seed.table.everyone for seed in counted])
    variances = _variances(counted, bootstraps)
    curve = [(bottoms[name], wholes[name]) for name in (BASE, *(one.name for one in plan if one.arm == REFERENCE))]
    beside = {point.name: _against(curve, bottoms[point.name], wholes[point.name]) for point in plan
              if point.arm != REFERENCE and not point.control and bottoms[point.name].mean < 0 and len(curve) > 1}
    together = 1 - (1 - CONFIDENCE) / max(1, len(beside))
    front = _front({point.name: (bottoms[point.name].mean, wholes[point.name].mean)
                    for point in plan if not point.control})
    return [Standing(
        point=point, bottom=_relative(bottoms[point.name]), top=_relative(tops[point.name]),
        whole=_relative(wholes[point.name]), variance=_change_of_variance(variances, point.name),
        bottom_seeds=tuple(np.expm1(bottoms[point.name].estimates_N).tolist()),
        whole_seeds=tuple(np.expm1(wholes[point.name].estimates_N).tolist()),
        against=_relative(beside[point.name]) if point.name in beside else None,
        against_together=_relative(beside[point.name], together) if point.name in beside else None,
        beyond=point.name in beside and bottoms[point.name].mean < min(bottom.mean for bottom, _ in curve),
        front=point.name in front) for point in plan]


def _log_changes(seeds: Sequence[Seed], bootstraps: Sequence[SpeakerBootstrap], members: Sequence[Mask]
                 ) -> dict[str, OverSeeds]:
    """Model -> log of its WER over the base's among the members; 0 of the base itself."""
    found = []
    for seed, bootstrap, members_S in zip(seeds, bootstraps, members, strict=True):
        [log_wers] = bootstrap.log_wers(seed.table.error_matrix, seed.table.words, [members_S])
        logs = dict(zip(seed.table.models, log_wers, strict=True))
        found.append({model: ratio_of_models(log, logs[BASE]) for model, log in logs.items()})
    return {model: OverSeeds.of([of_seed[model] for of_seed in found]) for model in found[0]}


def _against(curve: Curve, bottom: OverSeeds, whole: OverSeeds) -> OverSeeds:
    """Log of ``whole`` over the curve's where its bottom is that of the point."""
    on_curve = [whole_of for bottom_of, whole_of in curve if bottom_of.mean <= bottom.mean]
    for (bottom_0, whole_0), (bottom_1, whole_1) in pairwise(curve):
        run = bottom_1.mean - bottom_0.mean
        if run and 0 < (share := (bottom.mean - bottom_0.mean) / run) < 1:
            slope = (whole_1.mean - whole_0.mean) / run
            passed = (1 - share) * bottom_0 + share * bottom_1
            on_curve.append((1 - share) * whole_0 + share * whole_1 + slope * (bottom - passed))
    if not on_curve:
        on_curve = [min(curve, key=lambda place: place[0].mean)[1]]
    return whole - min(on_curve, key=lambda one: one.mean)


def _front(means: Mapping[str, tuple[float, float]]) -> frozenset[str]:
    """Names that no other one betters in the one and equals in the other, or betters in both; lower is better."""
    def beaten(one: tuple[float, float]) -> bool:
        return any(other != one and other[0] <= one[0] and other[1] <= one[1] for other in means.values())

    return frozenset(name for name, one in means.items() if not beaten(one))


def _relative(log: OverSeeds, confidence: float = CONFIDENCE) -> Interval:
    found = log.interval(confidence)
    return Interval(*(float(np.expm1(value)) for value in (found.estimate, found.low, found.high)))


def _variances(seeds: Sequence[Seed], bootstraps: Sequence[SpeakerBootstrap]) -> list[dict[str, CohortVariance]]:
    """Model -> variance over cohorts, of each seed that has one."""
    found = []
    for seed, bootstrap in zip(seeds, bootstraps, strict=True):
        cohorts = [seed.table.members(seed.partition.method, name) for name in seed.partition.ranked]
        if (of_seed := cohort_variances(bootstrap, seed.table.error_matrix, seed.table.words, cohorts)) is not None:
            found.append(dict(zip(seed.table.models, of_seed, strict=True)))
    return found


def _change_of_variance(variances: Sequence[Mapping[str, CohortVariance]], name: str) -> Interval:
    """Sum over seeds under the model over that under the base, less one: single seeds may have no variance at all."""
    own, base = ([of_seed[model] for of_seed in variances] for model in (name, BASE))
    total = sum(one.estimate for one in base)
    if not total > 0:
        return UNKNOWN
    ratio, mean = sum(one.estimate for one in own) / total, total / len(base)
    around = (1 / mean * (_plain(own) - ratio * _plain(base))).interval(CONFIDENCE)
    return Interval(*(max(-1.0, ratio - 1 + value) for value in (around.estimate, around.low, around.high)))


def _plain(variances: Sequence[CohortVariance]) -> OverSeeds:
    return OverSeeds(np.array([one.estimate for one in variances]), np.stack([one.replicates for one in variances]),
                     np.array([one.freedom for one in variances], np.float64))
