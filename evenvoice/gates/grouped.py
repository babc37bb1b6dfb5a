"""Sentences that gates over groups of speakers say alike, whatever it is that they measure."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from evenvoice.gates.wording import OUT_OF_REACH, percent


class Limits(Protocol):
    """What such gates have in common."""

    @property
    def confidence(self) -> float:
        """Of each decision."""
        ...

    @property
    def min_speakers(self) -> int:
        """Test speakers that a group needs."""
        ...


class Parted(Protocol):
    """A way to part the speakers."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def reason(self) -> str:
        """Why there are no two groups to compare."""
        ...


LimitsT = TypeVar("LimitsT", bound=Limits)


@dataclass(frozen=True)
class GroupedWording(Generic[LimitsT]):
    """Turns findings into sentences, all with the same limits."""

    limits: LimitsT

    def untested(self, overlap: bool, comparable: Sized) -> list[str]:
        """Why equal service could not be shown, whatever the figures."""
        found = []
        if overlap:
            found.append("Test speakers were also trained on (ingest.allow_speaker_overlap): nothing is known about "
                         "new speakers, so the gate cannot PASS.")
        if not comparable:
            found.append("There are no two groups to compare, so equal service was not tested.")
        return found

    def silent(self, grouping: Parted) -> str:
        """Why a grouping has no say."""
        return f"Groups by {grouping.name} are not compared: {grouping.reason.rstrip('.')}."

    @property
    def sure(self) -> str:
        """How sure a bound is."""
        return f"{percent(self.limits.confidence)} sure:"

    def too_few(self, speakers: int, missing: int | None) -> str:
        """What a group has that cannot be judged."""
        if missing:
            return f"has {speakers} test speakers, {self.limits.min_speakers} are needed: {missing} missing."
        return f"has {speakers} test speakers, but nobody it could be compared with."


def undecided(missing: int | None) -> str:
    """What would decide: so many more speakers, None where the estimate is beyond the limit."""
    if missing is None:
        return "the estimate itself is beyond the limit, so more speakers may as well end in FAIL."
    if missing > OUT_OF_REACH:
        return f"more than {OUT_OF_REACH} further test speakers would be needed to decide."
    return f"about {missing} more test speakers like these would decide, if the estimate stays."
