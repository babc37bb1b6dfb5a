"""Where the regression says something else than the gate, in both directions, and where it does not."""

from __future__ import annotations

import pytest

from evenvoice.metrics.contradictions import adjusted_gap, contradictions

LIMITS = {"max_gap": 0.5, "reference": "rest"}


def column(name, p, **predicted):
    """Groups of 1000 words each, by their predicted WER in per cent."""
    return {"partition": f"attributes-{name}", "p": p, "groups": [
        {"cohort": cohort, "words": 1000, "predicted_wer": None if wer is None else wer / 100}
        for cohort, wer in predicted.items()]}


def verdict(reference="rest", against="everyone else", **decisions):
    return {"limits": {**LIMITS, "reference": reference},
            "cohorts": [{"method": f"attributes-{name}", "cohort": cohort, "decision": decision, "against": against}
                        for name, of in decisions.items() for cohort, decision in of.items()]}


WITHIN = {"female": "within", "male": "within"}


def test_a_group_that_the_gate_lets_pass_and_the_regression_puts_beyond_the_limit_is_told():
    found = contradictions({"columns": [column("gender", 0.001, female=20, male=10), column("device", 0.4)]},
                           verdict(gender=WITHIN))
    assert found == {"attributes-gender": (
        "By gender the gate finds every group within its limit of 50 %, but with device alike the regression puts "
        "female 100 % above everyone else (p = 0.0010).")}


def test_a_group_that_the_gate_objects_to_and_the_regression_does_not_is_told_with_what_may_be_behind_it():
    found = contradictions({"columns": [column("age_band", 0.31, old=11, young=10), column("first_language", 0.0)]},
                           verdict(age_band={"old": "exceeds", "young": "within"}))
    assert found == {"attributes-age_band": (
        "By age band the gate finds old beyond its limit, but with first language alike the regression finds no "
        "difference between groups (p = 0.3100): first language may be behind it.")}


def test_a_single_column_has_nothing_behind_it():
    (sentence,) = contradictions({"columns": [column("gender", 0.2, female=11, male=10)]},
                                 verdict(gender={"female": "exceeds", "male": "within"})).values()
    assert sentence.endswith("but by speakers the regression finds no difference between groups (p = 0.2000).")


@pytest.mark.parametrize(("p", "wer", "decisions"), [
    (0.001, 14, WITHIN),  # different, and within the limit by both
    (0.2, 20, WITHIN),  # beyond, but chance explains it
    (0.001, 20, {"female": "exceeds", "male": "within"}),  # beyond by both
    (0.001, 20, {"female": "undecided", "male": "within"}),  # the gate has not said that it is within
    (0.2, 20, {"female": "undecided", "male": "within"}),
    (0.001, 20, {"female": "reference", "male": "within"}),  # whom others are compared with
    (None, 20, {"female": "exceeds", "male": "within"})])  # not tested
def test_nothing_is_told_where_both_may_be_right(p, wer, decisions):
    columns = [column("gender", p, female=wer, male=10)]
    assert contradictions({"columns": columns}, verdict(gender=decisions)) == {}


@pytest.mark.parametrize(("reference", "against", "gap"), [
    ("top", "c", 2.0), ("rest", "everyone else", 30 / 15 - 1), ("whole", "everyone", 30 / 20 - 1)])
def test_the_gap_is_taken_against_whom_the_gate_takes_it(reference, against, gap):
    found = adjusted_gap(column("x", 0.01, a=30, b=20, c=10), {"cohort": "a", "against": against}, reference)
    assert found == pytest.approx(gap)


def test_a_group_that_is_not_told_apart_has_no_gap():
    row = {"cohort": "a", "against": "everyone else"}
    assert adjusted_gap(column("x", 0.01, a=None, b=20), row, "rest") is None
    assert adjusted_gap(column("x", 0.01, a=20, b=None), row, "rest") is None
    assert adjusted_gap(column("x", 0.01, a=20, b=0), row, "rest") is None
