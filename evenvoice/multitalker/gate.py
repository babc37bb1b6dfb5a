"""The fairness gate of a recogniser of several talkers, on test speakers that nothing was fitted or chosen on.

It looks at the word error rate of everybody; at that of every group against the top group of its grouping; and at the
share of turns that are cut off, of everybody and of every group, which has a limit that is the same for all.

FAIL          when any of these is established to be beyond its limit.
PASS          when every one is shown to be within its limit.
INSUFFICIENT  otherwise.

Shapes: S speakers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from evenvoice.gates.limits import Bounds, Count
from evenvoice.gates.reasons import folded
from evenvoice.gates.verdict import Decision, Outcome, Whole
from evenvoice.metrics.bootstrap import (
    Mask,
    Resampled,
    SpeakerBootstrap,
    SpeakerTable,
    ratio_of_groups,
    simultaneous_level,
)
from evenvoice.multitalker.evidence import SPLIT, Evidence
from evenvoice.multitalker.verdict import Cut, GroupFinding, Verdict
from evenvoice.multitalker.wording import Wording
from evenvoice.params import MultitalkerGate
from evenvoice.verification.groups import Grouping

REPLICATES: Final = 4000
"""Not a setting: a verdict must not depend on how long somebody was willing to wait."""
STREAM: Final = 0x67746C6B
"""Keeps these random numbers apart from those that other stages draw from the same seed."""
Scope = tuple[str, str]
EVERYONE: Final[Scope] = ("whole", "whole")


def judge(evidence: Evidence, limits: MultitalkerGate, *, seed: int) -> Verdict:
    """Judge the challenger on test speakers."""
    counts = _Counts(evidence, limits, seed)
    whole, cut, groups = counts.whole(), counts.cut(), tuple(counts.groups())
    wording = Wording(limits)
    worded: list[tuple[Decision, int | None, str]] = [
        (whole.decision, whole.missing_speakers, wording.whole(whole)),
        (cut.decision, cut.missing_speakers, wording.cut(cut)),
        *((one.decision, one.missing_speakers, wording.group(one)) for one in groups)]
    decisions = {decision for decision, _, _ in worded}
    tested = bool(evidence.comparable) and not evidence.speakers_overlap
    outcome: Outcome = ("FAIL" if "exceeds" in decisions else "PASS" if tested and decisions <= {"within", "reference"}
                        else "INSUFFICIENT")
    exceeded = [sentence for decision, _, sentence in worded if decision == "exceeds"]
    small = dict.fromkeys(sentence for decision, _, sentence in worded if decision == "unjudgeable")
    passed = wording.passed(whole, cut, groups) if outcome == "PASS" else []
    why = folded(decisive=[*passed, *exceeded, *wording.untested(evidence.speakers_overlap, evidence.comparable),
                           *small],
                 exceeded=exceeded, silent=[wording.silent(one) for one in evidence.groupings if not one.comparable],
                 undecided=[(missing, sentence) for decision, missing, sentence in worded if decision == "undecided"])
    return Verdict(verdict=outcome, reasons=why.lines, undecided=why.undecided, further=why.further,
                   limits=limits.model_dump(), challenger=evidence.challenger, base=evidence.base, whole=whole, cut=cut,
                   groups=groups, labelled=evidence.labelled, speakers_overlap=evidence.speakers_overlap,
                   origins=evidence.origins)


@dataclass
class _Counts:
    """Everything that must be within a limit, bounded together; a scope with too few speakers has no count."""

    evidence: Evidence
    limits: MultitalkerGate
    seed: int
    _level: float = field(init=False)
    _gaps: dict[Scope, Count] = field(init=False)
    _cuts: dict[Scope, Count] = field(init=False)
    _whole: Count | None = field(init=False)

    def __post_init__(self) -> None:
        served = self.evidence.served
        self._bootstrap = SpeakerBootstrap(len(served.speakers), REPLICATES,
                                           np.random.default_rng([self.seed, STREAM]))
        self._members = {EVERYONE: np.ones(len(served.speakers), dtype=bool)} | {
            (one.name, group): self.evidence.labels.members(one.name, group, served.speakers, SPLIT)
            for one in self.evidence.groupings for group in one.judged}
        self._gaps, self._cuts = dict(self._gap_counts()), dict(self._cut_counts())
        whole = self._rate(served.orc_errors, EVERYONE)
        self._whole = None if whole is None else self._count(served.orc_errors, EVERYONE, whole,
                                                             math.log(self.limits.max_wer))
        every = [*self._gaps.values(), *self._cuts.values(), *([self._whole] if self._whole else [])]
        self._level = simultaneous_level([count.statistic for count in every], self.limits.confidence)

    def whole(self) -> Whole:
        """Word errors of everybody."""
        table = self.evidence.served.orc_errors
        speakers, words = _speakers(table, self._members[EVERYONE]), int(table.words.sum())
        if self._whole is None:
            return Whole(speakers=speakers, words=words, wer=None, wer_at_least=None, wer_at_most=None,
                         decision="unjudgeable", missing_speakers=self._missing(speakers))
        bounds = self._bounds(self._whole, math.exp)
        return Whole(speakers=speakers, words=words, wer=table.wer, wer_at_least=_least(bounds, table.wer),
                     wer_at_most=bounds.high, decision=bounds.decision, missing_speakers=bounds.missing_speakers)

    def cut(self) -> Cut:
        """Turns of everybody that are cut off."""
        table = self.evidence.served.cuts
        speakers, turns = _speakers(table, self._members[EVERYONE]), int(table.words.sum())
        count = self._cuts.get(EVERYONE)
        if count is None:
            return Cut(speakers=speakers, turns=turns, cut=None, cut_at_least=None, cut_at_most=None,
                       decision="unjudgeable", missing_speakers=self._missing(speakers))
        bounds = self._bounds(count, math.exp)
        return Cut(speakers=speakers, turns=turns, cut=table.wer, cut_at_least=_least(bounds, table.wer),
                   cut_at_most=min(1.0, bounds.high), decision=bounds.decision,
                   missing_speakers=bounds.missing_speakers)

    def groups(self) -> Iterator[GroupFinding]:
        """Both figures of every judged group; of groups that are compared with no other, only turns cut off."""
        for grouping in self.evidence.groupings:
            for group in grouping.judged:
                if grouping.comparable:
                    yield self._group_wer(grouping, group)
                yield self._group_cut(grouping, group)

    def _group_wer(self, grouping: Grouping, group: str) -> GroupFinding:
        table, scope = self.evidence.served.word_errors, (grouping.name, group)
        described = self._described(grouping, group, table)
        count = self._gaps.get(scope)
        if count is None:
            speakers = _speakers(table, self._members[scope])
            is_top = group == grouping.top and self._rate(table, scope) is not None
            return GroupFinding(kind="wer", **described, gap=None, at_least=None, at_most=None,
                                decision="reference" if is_top else "unjudgeable",
                                missing_speakers=None if is_top else self._missing(speakers))
        bounds = self._bounds(count, math.expm1)
        return GroupFinding(kind="wer", **described, gap=bounds.estimate, at_least=bounds.low, at_most=bounds.high,
                            decision=bounds.decision, missing_speakers=bounds.missing_speakers)

    def _group_cut(self, grouping: Grouping, group: str) -> GroupFinding:
        table, scope = self.evidence.served.cuts, (grouping.name, group)
        described = self._described(grouping, group, table)
        count = self._cuts.get(scope)
        if count is None:
            return GroupFinding(kind="cut", **described, gap=None, at_least=None, at_most=None, decision="unjudgeable",
                                missing_speakers=self._missing(_speakers(table, self._members[scope])))
        bounds = self._bounds(count, math.exp)
        return GroupFinding(kind="cut", **described, gap=None, at_least=_least(bounds, described["rate"]),
                            at_most=min(1.0, bounds.high), decision=bounds.decision,
                            missing_speakers=bounds.missing_speakers)

    def _described(self, grouping: Grouping, group: str, table: SpeakerTable) -> dict[str, Any]:
        served, members = self.evidence.served, self._members[grouping.name, group]
        rate = SpeakerTable(table.errors[members], table.words[members]).wer
        return {"partition": grouping.name, "group": group, "against": grouping.top,
                "speakers": _speakers(table, members), "words": int(served.words_S[members].sum()),
                "turns": int(served.turns_S[members].sum()), "rate": None if math.isnan(rate) else rate}

    def _gap_counts(self) -> Iterator[tuple[Scope, Count]]:
        table = self.evidence.served.word_errors
        for grouping in self.evidence.comparable:
            top = self._rate(table, (grouping.name, grouping.top))
            for group in grouping.judged[:-1]:
                scope = (grouping.name, group)
                own = self._rate(table, scope)
                if own is not None and top is not None:
                    yield scope, self._count(table, scope, ratio_of_groups(own, top), math.log1p(self.limits.max_gap))

    def _cut_counts(self) -> Iterator[tuple[Scope, Count]]:
        table = self.evidence.served.cuts
        for scope in self._members:
            rate = self._rate(table, scope)
            if rate is not None:
                yield scope, self._count(table, scope, rate, math.log(self.limits.max_cut))

    def _rate(self, table: SpeakerTable, scope: Scope) -> Resampled | None:
        """None with too few speakers."""
        members = self._members[scope]
        enough = _speakers(table, members) >= self.limits.min_speakers
        return self._bootstrap.log_wer(table, members) if enough else None

    def _count(self, table: SpeakerTable, scope: Scope, statistic: Resampled, limit: float) -> Count:
        return Count(statistic=statistic, limit=limit, speakers=_speakers(table, self._members[scope]))

    def _bounds(self, count: Count, scale: Callable[[float], float]) -> Bounds:
        return count.bounds(level=self._level, confidence=self.limits.confidence, scale=scale)

    def _missing(self, speakers: int) -> int | None:
        return max(0, self.limits.min_speakers - speakers) or None


def _speakers(table: SpeakerTable, members_S: Mask) -> int:
    """Of these, those with anything to err on."""
    return int(np.count_nonzero(table.words[members_S]))


def _least(bounds: Bounds, rate: float) -> float:
    """Half an error stands in for none where a logarithm is needed; nobody should read it."""
    return bounds.low if rate > 0 else 0.0
