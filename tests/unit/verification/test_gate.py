"""PASS, FAIL or INSUFFICIENT for a verifier."""

from dataclasses import replace

import numpy as np
import pytest

from evenvoice.params import VerifierGate
from evenvoice.verification.calibration import Calibration
from evenvoice.verification.gate import Evidence, judge
from evenvoice.verification.groups import Grouping, Labels
from evenvoice.verification.heard import Heard
from evenvoice.verification.trials import RECORDING
from tests.builders.verification import GROUP, scored

EVEN = Calibration(scale=1.0, offset=0.0, target_prior=0.5)


def limits(**changes) -> VerifierGate:
    return VerifierGate(**{"max_eer": 0.2, "max_gap": 0.5, "regression_margin": 0.1, "confidence": 0.95,
                           "min_speakers": 10, **changes})


def evidence(*groups: float, base: Heard | None = None, speakers: int = 60, **changes) -> Evidence:
    """Groups a, b, ... of as many speakers, told apart by these distances; the last of them is the top group."""
    names = [chr(ord("a") + number) for number in range(len(groups))]
    heard = scored(groups, speakers=speakers)
    of = {(speaker, "test"): names[number // speakers] for number, speaker in enumerate(heard.speakers)}
    made = Evidence(
        challenger="none" if base is None else "pw",
        heard={"none": heard} if base is None else {"none": base, "pw": heard},
        calibrations={"none": EVEN, "pw": EVEN}, labels=Labels({GROUP: of}), labelled="recorded",
        groupings=(Grouping(name=GROUP, judged=tuple(names), aside=(), reason="all"),), speakers_overlap=False,
        origins={"features": "f", "models": {}})
    return replace(made, **changes)


def test_equal_groups_that_are_many_enough_pass():
    verdict = judge(evidence(3.0, 3.0, speakers=150), limits(), seed=0)
    assert verdict.verdict == "PASS"
    assert "Closest are a (gender)" in verdict.reasons[0]


def test_a_group_that_is_told_apart_much_worse_fails_and_is_named():
    verdict = judge(evidence(1.5, 3.5), limits(), seed=0)
    assert verdict.verdict == "FAIL"
    exceeded = [one for one in verdict.groups if one.decision == "exceeds"]
    assert {(one.group, one.kind) for one in exceeded} == {("a", "miss"), ("a", "false_alarm")}
    assert any("a (gender) are refused as themselves" in line for line in verdict.reasons)


def test_few_speakers_decide_nothing_and_say_how_many_would():
    verdict = judge(evidence(3.0, 3.0, speakers=12), limits(), seed=0)
    assert verdict.verdict == "INSUFFICIENT"
    assert any("more test speakers like these would decide" in line for line in verdict.undecided)


def test_a_group_below_the_least_number_cannot_be_judged():
    verdict = judge(evidence(3.0, 3.0, speakers=8), limits(), seed=0)
    assert {one.decision for one in verdict.groups} == {"unjudgeable"}
    assert "has 8 test speakers, 10 are needed: 2 missing." in " ".join(verdict.reasons + verdict.further)


def test_errs_for_everybody_fails_however_equal():
    verdict = judge(evidence(1.0, 1.0, speakers=100), limits(max_eer=0.05), seed=0)
    assert verdict.verdict == "FAIL"
    assert verdict.whole.decision == "exceeds"


def test_levelling_down_is_not_fairness():
    verdict = judge(evidence(2.0, 2.0, speakers=150, base=scored([2.0, 3.5], speakers=150)), limits(), seed=0)
    assert verdict.verdict == "FAIL"
    worse = {one.scope for one in verdict.regression if one.decision == "exceeds"}
    assert f"{GROUP}/b" in worse


def test_the_unweighted_verifier_is_not_compared_with_itself():
    assert judge(evidence(3.0, 3.0), limits(), seed=0).regression == ()


def test_without_groups_nothing_was_tested():
    bare = evidence(4.0, speakers=200, groupings=(Grouping(name=GROUP, judged=("a",), aside=(), reason="one group"),))
    verdict = judge(bare, limits(), seed=0)
    assert verdict.verdict == "INSUFFICIENT"
    assert "There are no two groups to compare, so equal service was not tested." in verdict.reasons
    assert "Groups by gender are not compared: one group." in verdict.reasons


def test_speakers_who_were_trained_on_prove_nothing():
    verdict = judge(evidence(3.0, 3.0, speakers=150, speakers_overlap=True), limits(), seed=0)
    assert verdict.verdict == "INSUFFICIENT"
    assert "ingest.allow_speaker_overlap" in " ".join(verdict.reasons)


def test_pieces_of_one_recording_are_said_to_be_easier():
    made = evidence(3.0, 3.0)
    heard = made.heard["none"]
    pieces = Heard(heard.speakers, heard.pairs, heard.scores, np.where(heard.same, RECORDING, "same gender"))
    assert judge(replace(made, heard={"none": pieces}), limits(), seed=0).within_recordings
    assert not judge(made, limits(), seed=0).within_recordings


@pytest.mark.parametrize("seed", [0, 1])
def test_a_verdict_is_plain_json(seed):
    content = judge(evidence(1.5, 3.5), limits(), seed=seed).to_json()
    assert content["groups"][0]["partition"] == GROUP
    assert isinstance(content["reasons"], list)


@pytest.mark.science
def test_equal_groups_are_failed_no_more_often_than_the_confidence_allows():
    failed = sum(judge(replace(evidence(2.0, 2.0, 2.0, speakers=30),
                               heard={"none": scored([2.0] * 3, speakers=30, seed=seed)}),
                       limits(max_gap=0.01, max_eer=0.5), seed=seed).verdict == "FAIL" for seed in range(60))
    assert failed <= 8
