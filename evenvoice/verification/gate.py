"""The fairness gate of speaker verification, on test speakers that nothing was fitted, calibrated or chosen on.

It looks at the equal error rate of everybody; at misses and at false alarms of every group at the one threshold,
against the top group of its grouping; and at the challenger's equal error rate against the unweighted verifier's, of
everybody and of each top group, so that levelling down does not count as fairness.

FAIL          when any of these is established to be beyond its limit.
PASS          when every one is shown to be within its limit.
INSUFFICIENT  otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from evenvoice.errors import GateError
from evenvoice.gates.limits import Bounds, Count
from evenvoice.gates.reasons import folded
from evenvoice.gates.verdict import Outcome
from evenvoice.metrics.bootstrap import Resampled, ratio_of_groups, ratio_of_models, simultaneous_level
from evenvoice.params import UNWEIGHTED, VerifierGate
from evenvoice.storage import read_json
from evenvoice.verification.calibration import Calibration
from evenvoice.verification.comparing import EVERYONE, Rates, Scope, Verifier, estimate_of
from evenvoice.verification.groups import LABELLED, Grouping, Labels
from evenvoice.verification.heard import Heard, read_heard
from evenvoice.verification.resampling import PairBootstrap
from evenvoice.verification.trials import RECORDING
from evenvoice.verification.verdict import GroupFinding, Regression, Verdict, Whole
from evenvoice.verification.wording import Wording

REPLICATES: Final = 4000
"""Not a setting: a verdict must not depend on how long somebody was willing to wait."""
STREAM: Final = 0x67767269
"""Keeps these random numbers apart from those that other stages draw from the same seed."""
KINDS: Final = ("miss", "false_alarm")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the gate judges.

    Attributes:
        challenger, base: names of the verifiers; ``heard`` and ``calibrations`` have both, on test speakers.
        labels: who is in which group.
        labelled: what the speech is called.
        speakers_overlap: test speakers were also trained on.
        origins: what the figures come from.
    """

    challenger: str
    heard: dict[str, Heard]
    calibrations: dict[str, Calibration]
    groupings: tuple[Grouping, ...]
    labels: Labels
    labelled: str
    speakers_overlap: bool
    origins: dict[str, Any]
    base: str = UNWEIGHTED


def read_evidence(*, evaluation: Path, trials: Path, corpus: Path) -> Evidence:
    """Read what the stages before the gate wrote.

    Raises:
        ArtifactError: a file is missing or broken.
        GateError: a file lacks what the gate has to know.
    """
    challenger = str(_needed(read_json(evaluation / "selection.json"), "challenger", evaluation / "selection.json"))
    summary = read_json(corpus / "summary.json")
    names = dict.fromkeys((UNWEIGHTED, challenger))
    calibrations = read_json(evaluation / "calibrations.json")
    origins = read_json(evaluation / "origins.json")
    for name in names:
        found = read_json(trials / name / "origin.json").get("model")
        if found != origins["models"].get(name):
            raise GateError(name=f"trials of {name!r}", rule="be those that were evaluated", value="others",
                            action="Run the stage evaluate_verifier again.")
    groupings = read_json(evaluation / "groupings.json")
    return Evidence(
        challenger=challenger, heard={name: read_heard(trials / name)["test"] for name in names},
        calibrations={name: Calibration.read(calibrations.get(name), f"calibration of {name}") for name in names},
        groupings=tuple(Grouping.read(one, f"groups by {name}") for name, one in groupings.items()),
        labels=Labels.read(evaluation / LABELLED),
        labelled=str(_needed(summary, "labelled", corpus / "summary.json")),
        speakers_overlap=bool(_needed(summary, "speakers_overlap", corpus / "summary.json")),
        origins={**origins, "models": {name: origins["models"][name] for name in names}})


def _needed(content: Any, name: str, path: Path) -> Any:
    if not isinstance(content, dict) or name not in content:
        raise GateError(name=str(path), rule=f"say {name}", value="nothing", action="Run the stage that writes it.")
    return content[name]


def judge(evidence: Evidence, limits: VerifierGate, *, seed: int) -> Verdict:
    """Judge the challenger on test speakers."""
    counts = _Counts(evidence, limits, seed)
    whole, groups, regression = counts.whole_finding(), tuple(counts.group_findings()), tuple(counts.regressions())
    comparable = [one for one in evidence.groupings if one.comparable]
    decisions = {whole.decision, *(one.decision for one in groups), *(one.decision for one in regression)}
    tested = bool(comparable) and not evidence.speakers_overlap
    outcome: Outcome = ("FAIL" if "exceeds" in decisions else "PASS" if tested and decisions <= {"within", "reference"}
                        else "INSUFFICIENT")
    wording = Wording(limits)
    worded = [(whole.decision, whole.missing_speakers, wording.whole(whole)),
              *((one.decision, one.missing_speakers, wording.group(one)) for one in groups),
              *((one.decision, one.missing_speakers, wording.regression(one)) for one in regression)]
    exceeded = [sentence for decision, _, sentence in worded if decision == "exceeds"]
    small = [sentence for decision, _, sentence in worded if decision == "unjudgeable"]
    passed = wording.passed(whole, groups, regression) if outcome == "PASS" else []
    why = folded(decisive=[*passed, *exceeded, *wording.untested(evidence.speakers_overlap, comparable), *small],
                 exceeded=exceeded, silent=[wording.silent(one) for one in evidence.groupings if not one.comparable],
                 undecided=[(missing, sentence) for decision, missing, sentence in worded if decision == "undecided"])
    conditions = set(evidence.heard[evidence.challenger].conditions[evidence.heard[evidence.challenger].same].tolist())
    return Verdict(verdict=outcome, reasons=why.lines, undecided=why.undecided, further=why.further,
                   limits=limits.model_dump(), challenger=evidence.challenger, base=evidence.base, whole=whole,
                   groups=groups, regression=regression, labelled=evidence.labelled,
                   speakers_overlap=evidence.speakers_overlap, within_recordings=conditions == {RECORDING},
                   origins=evidence.origins)


@dataclass
class _Counts:
    """Everything that must be within a limit, bounded together."""

    evidence: Evidence
    limits: VerifierGate
    seed: int
    _level: float = field(init=False)
    _gaps: dict[tuple[Scope, str], Count] = field(init=False)
    _changes: dict[Scope, Count] = field(init=False)
    _whole: Count | None = field(init=False)

    def __post_init__(self) -> None:
        heard = self.evidence.heard
        speakers = heard[self.evidence.base].speakers
        bootstrap = PairBootstrap(len(speakers), REPLICATES, np.random.default_rng([self.seed, STREAM]))
        self._verifiers = {name: Verifier(heard[name], self.evidence.calibrations[name], bootstrap) for name in heard}
        self._members = {EVERYONE: np.ones(len(speakers), dtype=bool)} | {
            (one.name, group): self.evidence.labels.members(one.name, group, speakers, "test")
            for one in self.evidence.groupings if one.comparable for group in one.judged}
        self._gaps, self._changes = dict(self._gap_counts()), dict(self._change_counts())
        whole = self._of(self.evidence.challenger, EVERYONE).eer
        self._whole = self._count(EVERYONE, whole, math.log(self.limits.max_eer)) if whole is not None else None
        every = [*self._gaps.values(), *self._changes.values(), *([self._whole] if self._whole else [])]
        self._level = simultaneous_level([count.statistic for count in every], self.limits.confidence)

    def whole_finding(self) -> Whole:
        """Everybody."""
        found = self._of(self.evidence.challenger, EVERYONE)
        trials = found.same_trials + found.different_trials
        if self._whole is None or found.speakers < self.limits.min_speakers:
            return Whole(speakers=found.speakers, trials=trials, eer=None, eer_at_least=None, eer_at_most=None,
                         decision="unjudgeable", missing_speakers=self._missing(found.speakers))
        bounds = self._bounds(self._whole, math.exp)
        return Whole(speakers=found.speakers, trials=trials, eer=bounds.estimate, eer_at_least=bounds.low,
                     eer_at_most=min(1.0, bounds.high), decision=bounds.decision,
                     missing_speakers=bounds.missing_speakers)

    def group_findings(self) -> Iterator[GroupFinding]:
        """Every judged group, with both kinds of errors."""
        for grouping in (one for one in self.evidence.groupings if one.comparable):
            for group in grouping.judged:
                for kind in KINDS:
                    yield self._group(grouping, group, kind)

    def regressions(self) -> Iterator[Regression]:
        """Against the unweighted verifier; none for itself."""
        for scope, count in self._changes.items():
            bounds = self._bounds(count, math.expm1)
            yield Regression(scope="whole" if scope == EVERYONE else "/".join(scope), speakers=count.speakers,
                             relative=bounds.estimate, relative_at_least=bounds.low, relative_at_most=bounds.high,
                             decision=bounds.decision, missing_speakers=bounds.missing_speakers)

    def _group(self, grouping: Grouping, group: str, kind: str) -> GroupFinding:
        found = self._of(self.evidence.challenger, (grouping.name, group))
        rate: Resampled | None = getattr(found, kind)
        described: dict[str, Any] = {
            "partition": grouping.name, "group": group, "against": grouping.top, "kind": kind,
            "speakers": found.speakers, "trials": found.same_trials if kind == "miss" else found.different_trials,
            "rate": None if rate is None else estimate_of(rate)}
        count = self._gaps.get(((grouping.name, group), kind))
        if count is None:
            is_top = group == grouping.top and rate is not None and found.speakers >= self.limits.min_speakers
            return GroupFinding(**described, gap=None, gap_at_least=None, gap_at_most=None,
                                decision="reference" if is_top else "unjudgeable",
                                missing_speakers=None if is_top else self._missing(found.speakers))
        bounds = self._bounds(count, math.expm1)
        return GroupFinding(**described, gap=bounds.estimate, gap_at_least=bounds.low, gap_at_most=bounds.high,
                            decision=bounds.decision, missing_speakers=bounds.missing_speakers)

    def _gap_counts(self) -> Iterator[tuple[tuple[Scope, str], Count]]:
        for grouping in (one for one in self.evidence.groupings if one.comparable):
            for kind in KINDS:
                top = self._rate((grouping.name, grouping.top), kind)
                for group in grouping.judged[:-1]:
                    scope = (grouping.name, group)
                    own = self._rate(scope, kind)
                    if own is not None and top is not None:
                        yield (scope, kind), self._count(scope, ratio_of_groups(own, top),
                                                         math.log1p(self.limits.max_gap))

    def _change_counts(self) -> Iterator[tuple[Scope, Count]]:
        if self.evidence.challenger == self.evidence.base:
            return
        tops = [(one.name, one.top) for one in self.evidence.groupings if one.comparable]
        for scope in (EVERYONE, *tops):
            own, other = (self._of(name, scope).eer for name in (self.evidence.challenger, self.evidence.base))
            if own is not None and other is not None and self._of(UNWEIGHTED, scope).speakers >= 2:
                yield scope, self._count(scope, ratio_of_models(own, other), math.log1p(self.limits.regression_margin))

    def _rate(self, scope: Scope, kind: str) -> Resampled | None:
        """None with too few speakers."""
        found = self._of(self.evidence.challenger, scope)
        rate: Resampled | None = getattr(found, kind)
        return rate if found.speakers >= self.limits.min_speakers else None

    def _of(self, name: str, scope: Scope) -> Rates:
        return self._verifiers[name].rates(self._members[scope])

    def _count(self, scope: Scope, statistic: Resampled, limit: float) -> Count:
        return Count(statistic=statistic, limit=limit, speakers=self._of(self.evidence.challenger, scope).speakers)

    def _bounds(self, count: Count, scale: Callable[[float], float]) -> Bounds:
        return count.bounds(level=self._level, confidence=self.limits.confidence, scale=scale)

    def _missing(self, speakers: int) -> int | None:
        return max(0, self.limits.min_speakers - speakers) or None
