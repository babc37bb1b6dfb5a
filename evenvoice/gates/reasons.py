"""Why a verdict is what it is, for a person: what decides first, in few lines, with everything else behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from evenvoice.gates.verdict import CohortFinding, Decision, Outcome, Regression, Saving, Whole
from evenvoice.gates.wording import Wording

MOST: Final = 5
"""Lines that a person reads."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Every check of one verdict."""

    whole: Whole
    cohorts: tuple[CohortFinding, ...]
    regression: tuple[Regression, ...]
    saving: Saving | None = None

    def worded(self, decision: Decision, wording: Wording) -> list[tuple[int | None, str]]:
        """Speakers missing, and the sentence, of each check that was decided so."""
        found = [(one.missing_speakers, wording.cohort(one)) for one in self.cohorts if one.decision == decision]
        if self.whole.decision == decision:
            found.append((self.whole.missing_speakers, wording.whole(self.whole)))
        paid, times = ((), ()) if self.saving is None else (self.saving.regression, self.saving.times)
        return [*found, *((one.missing_speakers, wording.regression(one)) for one in (*self.regression, *paid)
                          if one.decision == decision),
                *((None, wording.time(one)) for one in times if one.decision == decision)]


@dataclass(frozen=True, kw_only=True)
class Reasons:
    """Lines to read, and what is folded under them."""

    lines: tuple[str, ...]
    undecided: tuple[str, ...]
    further: tuple[str, ...]


def reasons(outcome: Outcome, findings: Findings, wording: Wording, *, untested: Sequence[str], aside: Sequence[str],
            silent: Sequence[str]) -> Reasons:
    """What decided comes first, then what is missing, then which methods had no say.

    Args:
        untested: why nothing could be shown, whatever the figures.
        aside: whom a PASS says nothing about.
        silent: why methods had no say.
    """
    passed = [*wording.passed([one for one in findings.cohorts if one.gap is not None], findings.whole,
                              findings.regression, findings.saving), *aside] if outcome == "PASS" else []
    exceeded = [sentence for _, sentence in findings.worded("exceeds", wording)]
    too_small = [sentence for _, sentence in findings.worded("unjudgeable", wording)]
    return folded(decisive=[*passed, *exceeded, *untested, *too_small], exceeded=exceeded, silent=silent,
                  undecided=findings.worded("undecided", wording))


def folded(*, decisive: Sequence[str], exceeded: Sequence[str], undecided: Sequence[tuple[int | None, str]],
           silent: Sequence[str]) -> Reasons:
    """All sentences where they are few, else what decides, the nearest undecided check, and the rest by number.

    Args:
        decisive: what decided, the most important first.
        exceeded: those of them that say that a limit is broken.
        undecided: speakers missing, and the sentence, of each undecided check.
        silent: why methods had no say.
    """
    open_checks = sorted(undecided, key=lambda one: (one[0] is None, one[0] or 0))
    sentences = [sentence for _, sentence in open_checks]
    if len(decisive) + len(sentences) + len(silent) <= MOST:
        return Reasons(lines=(*decisive, *sentences, *silent), undecided=tuple(sentences), further=())
    told = [*decisive, *silent]
    room = MOST - 1 if sentences or len(told) > MOST else MOST
    shown, further = told[:room], told[room:]
    at = min(len(decisive), room)
    folded_away = [*_left_over(sum(sentence in exceeded for sentence in further), len(further)),
                   *_undecided(open_checks, more=" more" if at else "")]
    counted = [", ".join(folded_away).rstrip(".") + "."] if folded_away else []
    return Reasons(lines=(*shown[:at], *counted, *shown[at:]), undecided=tuple(sentences), further=tuple(further))


def _left_over(broken: int, further: int) -> list[str]:
    """What did not fit, by number."""
    counted = [f"{broken} more {'limits are' if broken > 1 else 'limit is'} broken"] if broken else []
    if (others := further - broken) > 0:
        counted.append(f"{others} more {'checks' if others > 1 else 'check'} could not be made")
    return counted


def _undecided(checks: Sequence[tuple[int | None, str]], *, more: str) -> list[str]:
    """How many checks are undecided, and the one that is nearest to a decision."""
    if not checks:
        return []
    missing, nearest = checks[0]
    if len(checks) == 1:
        return [f"1{more} check is undecided: {nearest}"]
    which = "one of them" if missing is None else "the one that needs fewest speakers"
    return [f"{len(checks)}{more} checks are undecided; {which}: {nearest}"]
