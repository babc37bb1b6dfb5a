"""Findings about a recogniser of several talkers as sentences for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evenvoice.gates.grouped import GroupedWording, undecided
from evenvoice.gates.verdict import Whole
from evenvoice.gates.wording import more, percent
from evenvoice.multitalker.verdict import Cut, GroupFinding
from evenvoice.params import MultitalkerGate


@dataclass(frozen=True)
class Wording(GroupedWording[MultitalkerGate]):
    """Turns findings into sentences, all with the same limits."""

    def whole(self, found: Whole) -> str:
        """What is to be said of everybody's word errors."""
        if found.wer is None or found.wer_at_least is None or found.wer_at_most is None:
            return f"The test split {self.too_few(found.speakers, found.missing_speakers)}"
        start = f"ORC-WER of everyone is {percent(found.wer)}"
        limit = f"the limit is {percent(self.limits.max_wer)}"
        if found.decision == "exceeds":
            return f"{start} ({self.sure} at least {percent(found.wer_at_least)}), {limit}."
        return (f"{start}, {limit}, and it may be up to {percent(found.wer_at_most)}: "
                f"{undecided(found.missing_speakers)}")

    def cut(self, found: Cut) -> str:
        """What is to be said of everybody's turns."""
        if found.cut is None or found.cut_at_least is None or found.cut_at_most is None:
            return f"The test split {self.too_few(found.speakers, found.missing_speakers)}"
        return self._cut_off("everyone", found.cut, found.cut_at_least, found.cut_at_most, found)

    def group(self, found: GroupFinding) -> str:
        """What is to be said of one figure of a group."""
        name = f"{found.group} ({found.partition})"
        if found.rate is None or found.at_least is None or found.at_most is None:
            return f"{name} {self.too_few(found.speakers, found.missing_speakers)}"
        if found.kind == "cut":
            return self._cut_off(name, found.rate, found.at_least, found.at_most, found)
        assert found.gap is not None
        start = f"{name} gets {more(found.gap)} errors per word than {found.against}"
        limit = f"the limit is {percent(self.limits.max_gap)} more"
        if found.decision == "exceeds":
            return f"{start} ({self.sure} at least {more(found.at_least)}), {limit}."
        return f"{start}, {limit}, and it may be up to {more(found.at_most)}: {undecided(found.missing_speakers)}"

    def passed(self, whole: Whole, cut: Cut, groups: Sequence[GroupFinding]) -> list[str]:
        """Why everything passes, by the closest call of each kind."""
        worst = max((one for one in groups if one.gap is not None), key=lambda one: one.at_most or 0.0)
        most_cut = max((one for one in groups if one.kind == "cut"), key=lambda one: one.at_most or 0.0)
        return [
            f"Every group is within {percent(self.limits.max_gap)} more errors per word than the top group of its "
            f"grouping. Closest is {worst.group} ({worst.partition}) at {more(worst.gap or 0.0)} "
            f"({self.sure} at most {more(worst.at_most or 0.0)}).",
            f"Turns of everyone are cut off in {percent(cut.cut or 0.0)} of the cases ({self.sure} at most "
            f"{percent(cut.cut_at_most or 0.0)}), the limit is {percent(self.limits.max_cut)}, for every group too. "
            f"Closest is {most_cut.group} ({most_cut.partition}) at {percent(most_cut.rate or 0.0)} "
            f"({self.sure} at most {percent(most_cut.at_most or 0.0)}).",
            f"ORC-WER of everyone is {percent(whole.wer or 0.0)} ({self.sure} at most "
            f"{percent(whole.wer_at_most or 0.0)}), the limit is {percent(self.limits.max_wer)}."]

    def _cut_off(self, whose: str, rate: float, at_least: float, at_most: float, found: Cut | GroupFinding) -> str:
        start = f"Turns of {whose} are cut off in {percent(rate)} of the cases"
        limit = f"the limit is {percent(self.limits.max_cut)}"
        if found.decision == "exceeds":
            return f"{start} ({self.sure} at least {percent(at_least)}), {limit}."
        return f"{start}, {limit}, and it may be up to {percent(at_most)}: {undecided(found.missing_speakers)}"
