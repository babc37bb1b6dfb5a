"""Findings as sentences that someone who runs the pipeline understands without a statistics book."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from evenvoice.gates.counts import OTHERS
from evenvoice.gates.verdict import CohortFinding, Regression, Saving, Time, Whole
from evenvoice.metrics.partitions import Partition
from evenvoice.params import DENSE, Gate
from evenvoice.saving.timed import WAYS

OUT_OF_REACH: Final = 10_000
"""Test speakers whose exact number nobody needs to know."""


@dataclass(frozen=True)
class Wording:
    """Turns findings into sentences, all with the same limits."""

    limits: Gate

    def cohort(self, found: CohortFinding) -> str:
        """Why a cohort does not pass."""
        name = f"{found.cohort} of the {found.method} method ({found.rule})"
        if found.decision == "unjudgeable":
            return f"{name} {self._too_few(found.speakers, found.words, found.missing_speakers)}"
        assert found.gap is not None
        assert found.gap_at_least is not None
        assert found.gap_at_most is not None
        start = f"{name} makes {more(found.gap)} errors per word than {found.against}"
        limit = f"the limit is {percent(self.limits.max_gap)} more"
        if found.decision == "exceeds":
            return f"{start} ({self._sure} at least {more(found.gap_at_least)}), {limit}."
        return (f"{start}, {limit}, and it may be up to {more(found.gap_at_most)}: "
                f"{self._undecided(found.missing_speakers, f'in it, with {found.against} growing in proportion,')}")

    def whole(self, found: Whole) -> str:
        """Why the WER of everyone does not pass."""
        if found.decision == "unjudgeable":
            return f"The test split {self._too_few(found.speakers, found.words, found.missing_speakers)}"
        assert found.wer is not None
        assert found.wer_at_least is not None
        assert found.wer_at_most is not None
        start = f"WER of the whole is {percent(found.wer)}"
        limit = f"the limit is {percent(self.limits.max_wer)}"
        if found.decision == "exceeds":
            return f"{start} ({self._sure} at least {percent(found.wer_at_least)}), {limit}."
        return (f"{start}, {limit}, and it may be up to {percent(found.wer_at_most)}: "
                f"{self._undecided(found.missing_speakers, 'in all')}")

    def regression(self, found: Regression) -> str:
        """Why the comparison with another model does not pass."""
        of_whole = found.scope == "whole"
        if found.against == DENSE:
            of, other, margin = f"{found.scope}", "the dense control", self.limits.saving_margin
        else:
            of, other, margin = f"the top cohort {found.scope}", "the base model", self.limits.regression_margin
        start = f"WER of {'the whole' if of_whole else of} changes by {signed(found.relative)} against {other}"
        tolerated = f"at most {signed(margin)} is tolerated"
        if found.decision == "exceeds":
            return f"{start} ({self._sure} at least {signed(found.relative_at_least)}), {tolerated}."
        return (f"{start}, {tolerated}, and it may be up to {signed(found.relative_at_most)}: "
                f"{self._undecided(found.missing_speakers, 'in all' if of_whole else 'in it')}")

    def time(self, found: Time) -> str:
        """Why the time that was measured does not pass."""
        start = f"In {WAYS[found.way]} it takes {percent(found.ratio)} of the time of its dense control"
        if found.decision == "exceeds":
            return f"{start} (at least {percent(found.ratio_low)}): nothing is saved there."
        return (f"{start}, and it may be up to {percent(found.ratio_high)}: measuring again on a quiet machine may "
                "decide (make run FORCE_STAGE=timing).")

    def saving(self, executed_share: float | None, times: Iterable[Time], regression: Iterable[Regression]) -> str:
        """What is saved, and what everyone pays, in one sentence that names no cohort."""
        work = [] if executed_share is None else [f"{percent(executed_share)} of the encoder's work"]
        took = [f"{percent(found.ratio)} of the time in {WAYS[found.way]}" for found in times]
        paid = [f"; WER of everyone {signed(found.relative)} ({self._sure} at most {signed(found.relative_at_most)})"
                for found in regression if found.scope == "whole"]
        return ", ".join([*work, *took]) + "".join(paid)

    def passed(self, cohorts: list[CohortFinding], whole: Whole, regression: tuple[Regression, ...],
               saving: Saving | None) -> list[str]:
        """Why everything passes, by the closest call of each kind."""
        closest = max(cohorts, key=lambda found: found.gap_at_most or 0.0)
        assert closest.gap is not None
        assert closest.gap_at_most is not None
        assert whole.wer is not None
        assert whole.wer_at_most is not None
        sentences = [
            f"Every cohort is within {percent(self.limits.max_gap)} more errors per word than {self._others}. "
            f"Closest is {closest.cohort} of the {closest.method} method at {more(closest.gap)} "
            f"({self._sure} at most {more(closest.gap_at_most)}).",
            f"WER of the whole is {percent(whole.wer)} ({self._sure} at most {percent(whole.wer_at_most)}), "
            f"the limit is {percent(self.limits.max_wer)}."]
        if regression:
            worst = max(regression, key=lambda found: found.relative_at_most)
            sentences.append("Nothing gets worse than the base model by more than "
                             f"{percent(self.limits.regression_margin)}: closest is {worst.scope} at "
                             f"{signed(worst.relative)} ({self._sure} at most {signed(worst.relative_at_most)}).")
        return [*sentences, *([self._saved(saving)] if saving is not None else [])]

    def _saved(self, saving: Saving) -> str:
        worst = max(saving.regression, key=lambda found: found.relative_at_most)
        saved = self.saving(saving.executed_share, saving.times, ())
        return (f"It needs {saved}, beside its dense control, and nobody pays more than "
                f"{percent(self.limits.saving_margin)} for it: closest is {worst.scope} at {signed(worst.relative)} "
                f"({self._sure} at most {signed(worst.relative_at_most)}).")

    @property
    def _others(self) -> str:
        return OTHERS.get(self.limits.reference, "the top cohort of its method")

    @property
    def _sure(self) -> str:
        return f"{percent(self.limits.confidence)} sure:"

    def _too_few(self, speakers: int, words: int, missing: int | None) -> str:
        if speakers == 0:
            return f"has no test speakers with words; {missing} are needed."
        if missing:
            return f"has {speakers} test speakers, {self.limits.min_speakers} are needed: {missing} missing."
        return f"has {speakers} test speakers and {words} words, but nobody it could be compared with."

    def _undecided(self, missing: int | None, where: str) -> str:
        if missing is None:
            return "the estimate itself is beyond the limit, so more speakers may as well end in FAIL."
        if missing > OUT_OF_REACH:
            return (f"the estimate lies so near the limit that more than {OUT_OF_REACH} further test speakers {where} "
                    "would be needed to decide.")
        return f"about {missing} more test speakers {where} would decide, if the estimate stays."


def percent(share: float) -> str:
    """A share in per cent, one decimal where there is one."""
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def signed(share: float) -> str:
    """A relative change with its sign."""
    return f"{'+' if share >= 0 else '-'}{percent(abs(share))}"


def more(gap: float) -> str:
    """A gap in words: ``62 % more`` or ``8.0 % fewer``."""
    return f"{percent(abs(gap))} {'more' if gap >= 0 else 'fewer'}"


def silent(partition: Partition) -> str:
    """Why a method has no say."""
    why = "found only one cohort" if partition.applicable else "does not apply"
    return f"The {partition.method} method {why}: {partition.reason.rstrip('.')}."
