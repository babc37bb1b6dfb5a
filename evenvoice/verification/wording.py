"""Findings about a verifier as sentences for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from evenvoice.gates.grouped import GroupedWording, undecided
from evenvoice.gates.wording import percent, signed
from evenvoice.params import VerifierGate
from evenvoice.verification.verdict import GroupFinding, Regression, Whole

KINDS: Final = {"miss": "are refused as themselves", "false_alarm": "are taken for one another"}
"""What happens to the speakers of a group."""


@dataclass(frozen=True)
class Wording(GroupedWording[VerifierGate]):
    """Turns findings into sentences, all with the same limits."""

    def whole(self, found: Whole) -> str:
        """What is to be said of everybody."""
        if found.eer is None or found.eer_at_least is None or found.eer_at_most is None:
            return f"The test split {self.too_few(found.speakers, found.missing_speakers)}"
        start = f"The equal error rate of everyone is {percent(found.eer)}"
        limit = f"the limit is {percent(self.limits.max_eer)}"
        if found.decision == "exceeds":
            return f"{start} ({self.sure} at least {percent(found.eer_at_least)}), {limit}."
        return (f"{start}, {limit}, and it may be up to {percent(found.eer_at_most)}: "
                f"{undecided(found.missing_speakers)}")

    def group(self, found: GroupFinding) -> str:
        """What is to be said of one kind of error of a group."""
        name = f"{found.group} ({found.partition})"
        if found.gap is None or found.gap_at_least is None or found.gap_at_most is None:
            return f"{name} {self.too_few(found.speakers, found.missing_speakers)}"
        start = f"{name} {KINDS[found.kind]} {often(found.gap)} than {found.against}"
        limit = f"the limit is {often(self.limits.max_gap)}"
        if found.decision == "exceeds":
            return f"{start} ({self.sure} at least {often(found.gap_at_least)}), {limit}."
        return (f"{start}, {limit}, and it may be up to {often(found.gap_at_most)}: "
                f"{undecided(found.missing_speakers)}")

    def regression(self, found: Regression) -> str:
        """What is to be said of the comparison with the unweighted verifier."""
        of = "everyone" if found.scope == "whole" else f"the top group {found.scope}"
        start = f"The equal error rate of {of} changes by {signed(found.relative)} against the unweighted verifier"
        tolerated = f"at most {signed(self.limits.regression_margin)} is tolerated"
        if found.decision == "exceeds":
            return f"{start} ({self.sure} at least {signed(found.relative_at_least)}), {tolerated}."
        return (f"{start}, {tolerated}, and it may be up to {signed(found.relative_at_most)}: "
                f"{undecided(found.missing_speakers)}")

    def passed(self, whole: Whole, groups: Sequence[GroupFinding], regression: Sequence[Regression]) -> list[str]:
        """Why everything passes, by the closest call of each kind."""
        closest = max((one for one in groups if one.gap is not None), key=lambda one: one.gap_at_most or 0.0)
        sentences = [
            f"Misses and false alarms of every group are within {percent(self.limits.max_gap)} more than of the top "
            f"group of its grouping. Closest are {closest.group} ({closest.partition}), who {KINDS[closest.kind]} "
            f"{often(closest.gap or 0.0)} ({self.sure} at most {often(closest.gap_at_most or 0.0)}).",
            f"The equal error rate of everyone is {percent(whole.eer or 0.0)} ({self.sure} at most "
            f"{percent(whole.eer_at_most or 0.0)}), the limit is {percent(self.limits.max_eer)}."]
        if regression:
            worst = max(regression, key=lambda one: one.relative_at_most)
            sentences.append(f"Nothing gets worse than the unweighted verifier by more than "
                             f"{percent(self.limits.regression_margin)}: closest is {worst.scope} at "
                             f"{signed(worst.relative)} ({self.sure} at most {signed(worst.relative_at_most)}).")
        return sentences


def often(gap: float) -> str:
    """A gap of rates in words: ``62 % more often``."""
    return f"{percent(abs(gap))} {'more' if gap >= 0 else 'less'} often"
