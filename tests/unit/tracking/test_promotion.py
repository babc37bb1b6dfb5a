"""Who may become champion: verdict, comparison and a person."""

import pytest

from evenvoice.errors import TrackingError
from evenvoice.tracking.comparison import FIRST, Comparison
from evenvoice.tracking.promotion import PROMOTED, REFUSED, WAITING, Approval, decide

NOT_WORSE = Comparison(outcome="not worse", reason="the WER is not worse")
UNDECIDED = Comparison(outcome="undecided", reason="the WER is neither")
OTHER_DATA = Comparison(outcome="not comparable", reason="other data")
WORSE = Comparison(outcome="worse", reason="the WER is worse")
PERSON = Approval(by="the release lead", reason="listened to 200 recordings")


@pytest.mark.parametrize(("verdict", "compared", "outcome"), [
    ("PASS", FIRST, PROMOTED),
    ("PASS", NOT_WORSE, PROMOTED),
    ("PASS", UNDECIDED, WAITING),
    ("PASS", OTHER_DATA, WAITING),
    ("PASS", WORSE, REFUSED),
    ("INSUFFICIENT", FIRST, WAITING),
    ("INSUFFICIENT", NOT_WORSE, WAITING),
    ("INSUFFICIENT", WORSE, REFUSED),
    ("FAIL", FIRST, REFUSED),
    ("FAIL", NOT_WORSE, REFUSED),
])
def test_without_a_person(verdict: str, compared: Comparison, outcome: str) -> None:
    assert decide(verdict, compared, None)[0] == outcome


@pytest.mark.parametrize(("verdict", "compared"), [
    ("PASS", UNDECIDED), ("PASS", OTHER_DATA), ("INSUFFICIENT", FIRST), ("INSUFFICIENT", UNDECIDED)])
def test_a_person_settles_what_the_figures_leave_open(verdict: str, compared: Comparison) -> None:
    outcome, reason = decide(verdict, compared, PERSON)
    assert outcome == PROMOTED
    assert reason.endswith("approved by the release lead")


@pytest.mark.parametrize(("verdict", "compared"), [("FAIL", FIRST), ("FAIL", NOT_WORSE), ("PASS", WORSE)])
def test_nobody_can_approve_what_failed(verdict: str, compared: Comparison) -> None:
    with pytest.raises(TrackingError, match="Nobody can promote it"):
        decide(verdict, compared, PERSON)


@pytest.mark.parametrize(("by", "reason"), [("", "because"), ("the release lead", "  "), ("x" * 1001, "because")])
def test_an_approval_needs_a_name_and_a_reason(by: str, reason: str) -> None:
    with pytest.raises(TrackingError, match="it stays in the audit record"):
        Approval(by=by, reason=reason)
