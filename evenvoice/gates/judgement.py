"""From counts to a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from evenvoice.gates.counts import WHOLE, Counts, Scope
from evenvoice.gates.evidence import Evidence, check
from evenvoice.gates.limits import Bounds
from evenvoice.gates.reasons import Findings, reasons
from evenvoice.gates.verdict import CohortFinding, Outcome, Regression, Saving, Time, Verdict, Whole
from evenvoice.gates.wording import Wording, silent
from evenvoice.metrics.partitions import Partition
from evenvoice.params import DENSE, UNKNOWN, Gate
from evenvoice.saving.timed import WAYS


def judge(evidence: Evidence, limits: Gate, *, seed: int) -> Verdict:
    """Judge the challenger on test speakers.

    Raises:
        GateError: the evidence is incomplete or contradicts itself.
    """
    check(evidence)
    counts = Counts(evidence, limits, seed)
    whole = _whole(evidence, counts, limits)
    cohorts = tuple(_cohort(evidence, counts, limits, partition, scope)
                    for partition in counts.comparable for scope in counts.scopes(partition))
    regression = tuple(_regression(scope, change, counts, evidence.base) for scope, change in counts.changes())
    wording = Wording(limits)
    saving = None if evidence.saving is None else _saving(evidence.saving, counts, wording)
    tested = bool(counts.comparable) and not evidence.speakers_overlap
    outcome = _outcome(tested, whole, cohorts, regression, saving)
    why = reasons(outcome, Findings(whole=whole, cohorts=cohorts, regression=regression, saving=saving),
                  wording, untested=_untested(evidence, counts), aside=_aside(evidence, counts, limits),
                  silent=[silent(partition) for partition in evidence.partitions
                          if partition.asked and partition not in counts.comparable])
    return Verdict(verdict=outcome, reasons=why.lines, undecided=why.undecided, further=why.further,
                   limits=limits.model_dump(), challenger=evidence.challenger, base=evidence.base, whole=whole,
                   cohorts=cohorts, regression=regression, saving=saving, healed=evidence.healed,
                   wanted=evidence.wanted, labelled=evidence.labelled, speakers_overlap=evidence.speakers_overlap,
                   origins=evidence.origins.to_json())


def _whole(evidence: Evidence, counts: Counts, limits: Gate) -> Whole:
    found, speakers = counts.whole, counts.speakers(WHOLE)
    words = int(evidence.test.words.sum())
    if found is None:
        return Whole(speakers=speakers, words=words, wer=None, wer_at_least=None, wer_at_most=None,
                     decision="unjudgeable", missing_speakers=limits.min_speakers - speakers)
    return Whole(speakers=speakers, words=words, wer=evidence.test.table(evidence.challenger).wer,
                 wer_at_least=found.low, wer_at_most=found.high, decision=found.decision,
                 missing_speakers=found.missing_speakers)


def _cohort(evidence: Evidence, counts: Counts, limits: Gate, partition: Partition, scope: Scope) -> CohortFinding:
    described = _described(evidence, counts, partition, scope)
    gap = counts.gap(scope)
    if gap is None:
        is_reference = limits.reference == "top" and scope.cohort == partition.top and scope in counts.log_wers
        return CohortFinding(**described, gap=None, gap_at_least=None, gap_at_most=None,
                             decision="reference" if is_reference else "unjudgeable",
                             missing_speakers=max(0, limits.min_speakers - counts.speakers(scope)) or None)
    return CohortFinding(**described, gap=gap.estimate, gap_at_least=gap.low, gap_at_most=gap.high,
                         decision=gap.decision, missing_speakers=gap.missing_speakers)


def _described(evidence: Evidence, counts: Counts, partition: Partition, scope: Scope) -> dict[str, Any]:
    table = evidence.test.table(evidence.challenger, counts.members(scope))
    return {"method": partition.method, "cohort": scope.cohort, "against": counts.against(partition),
            "rule": partition.rule(scope.cohort), "speakers": counts.speakers(scope), "words": int(table.words.sum()),
            "wer": table.wer if table.words.sum() else None}


def _regression(scope: Scope, change: Bounds, counts: Counts, against: str) -> Regression:
    return Regression(scope="whole" if scope == WHOLE else "/".join(scope), against=against,
                      speakers=counts.speakers(scope), relative=change.estimate, relative_at_least=change.low,
                      relative_at_most=change.high, decision=change.decision, missing_speakers=change.missing_speakers)


def _saving(content: Mapping[str, Any], counts: Counts, wording: Wording) -> Saving:
    times = tuple(_time(way, content[way]) for way in WAYS)
    regression = tuple(_regression(scope, change, counts, DENSE) for scope, change in counts.savings())
    return Saving(against=DENSE, executed_share=content["executed_share"], times=times, regression=regression,
                  sentence=wording.saving(content["executed_share"], times, regression))


def _time(way: str, measured: Mapping[str, Any]) -> Time:
    ratio, low, high = (measured[name] for name in ("ratio", "ratio_low", "ratio_high"))
    return Time(way=way, ratio=ratio, ratio_low=low, ratio_high=high,
                decision="within" if high < 1 else "exceeds" if low >= 1 else "undecided")


def _outcome(tested: bool, whole: Whole, cohorts: tuple[CohortFinding, ...],
             regression: tuple[Regression, ...], saving: Saving | None) -> Outcome:
    decisions = {whole.decision, *(found.decision for found in cohorts), *(found.decision for found in regression)}
    if saving is not None:
        decisions |= {*(found.decision for found in saving.regression), *(found.decision for found in saving.times)}
    if "exceeds" in decisions:
        return "FAIL"
    return "PASS" if tested and decisions <= {"within", "reference"} else "INSUFFICIENT"


def _aside(evidence: Evidence, counts: Counts, limits: Gate) -> list[str]:
    """Whom a PASS says nothing about although there are enough of them."""
    test, found = evidence.test, {}
    for partition in counts.comparable:
        if UNKNOWN in (aside.cohort for aside in partition.aside):
            members_S = test.members(partition.method, UNKNOWN)
            found[partition.method] = int(np.count_nonzero(test.words[members_S]))
    told = [f"{speakers} of {method}" for method, speakers in found.items() if speakers >= limits.min_speakers]
    return [f"Not judged are test speakers whose group is unknown: {', '.join(told)}."] if told else []


def _untested(evidence: Evidence, counts: Counts) -> list[str]:
    """Why equal service could not be shown, whatever the figures."""
    found = []
    if evidence.speakers_overlap:
        found.append("Test speakers were also trained on (ingest.allow_speaker_overlap): nothing is known about new "
                     "speakers, so the gate cannot PASS.")
    if not counts.comparable:
        found.append("No discovery method has two cohorts to compare, so equal service was not tested.")
    return found
