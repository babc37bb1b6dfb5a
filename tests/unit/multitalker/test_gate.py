"""PASS, FAIL or INSUFFICIENT for a recogniser of several talkers."""

from dataclasses import replace
from typing import Any

import pytest

from evenvoice.errors import GateError
from evenvoice.multitalker.evidence import Evidence
from evenvoice.multitalker.gate import judge
from evenvoice.multitalker.served import summed
from evenvoice.verification.groups import Grouping, Labels
from tests.builders.multitalker_tables import PACE, Group, grouped, limits, mixtures, spoken


def evidence(groups: dict[str, Group], *, seed: int = 0, beside: int = 0, silent: int = 0, **changes: Any) -> Evidence:
    """The last group is the top group."""
    turns = spoken(groups, seed=seed)
    of = {(row["speaker"], row["split"]): row["group"] for row in grouped(groups)}
    made = Evidence(served=summed(turns, mixtures(turns, beside=beside, silent=silent)), labels=Labels({PACE: of}),
                    groupings=(Grouping(name=PACE, judged=tuple(groups), aside=(), reason="three"),),
                    labelled="recorded", speakers_overlap=False, origins={"model": "m", "base": "b", "mixtures": "x"})
    return replace(made, **changes)


EVEN = {name: Group(80) for name in ("slow", "middle", "fast")}


def test_many_speakers_who_are_served_alike_pass():
    verdict = judge(evidence(EVEN), limits(), seed=0)
    assert verdict.verdict == "PASS"
    assert verdict.reasons[0].startswith("Every group is within 50 % more errors per word than the top group of its ")
    assert verdict.reasons[1].startswith("Turns of everyone are cut off in ")
    assert verdict.reasons[2].startswith("ORC-WER of everyone is ")


def test_a_group_with_far_more_errors_fails_and_is_named():
    verdict = judge(evidence({"slow": Group(40, wer=0.3), "middle": Group(40), "fast": Group(40)}), limits(), seed=0)
    assert verdict.verdict == "FAIL"
    assert [(one.group, one.kind) for one in verdict.groups if one.decision == "exceeds"] == [("slow", "wer")]
    assert any(line.startswith("slow (pace) gets ") and "% more errors per word than fast (95 % sure: at least " in line
               for line in verdict.reasons)


def test_a_group_that_is_cut_off_fails_though_its_words_are_right():
    verdict = judge(evidence({"slow": Group(40, cut=0.2), "middle": Group(40), "fast": Group(40)}), limits(), seed=0)
    assert verdict.verdict == "FAIL"
    exceeded = [one for one in verdict.groups if one.decision == "exceeds"]
    assert [(one.group, one.kind, one.gap) for one in exceeded] == [("slow", "cut", None)]
    assert any(line.startswith("Turns of slow (pace) are cut off in ") and "the limit is 10 %." in line
               for line in verdict.reasons)


def test_the_top_group_may_not_be_cut_off_either():
    verdict = judge(evidence({"slow": Group(40), "fast": Group(40, cut=0.25)}), limits(), seed=0)
    assert {(one.group, one.kind) for one in verdict.groups if one.decision == "exceeds"} == {("fast", "cut")}


def test_a_single_group_is_not_compared_but_may_not_be_cut_off():
    alone = (Grouping(name=PACE, judged=("slow",), aside=(), reason="one group"),)
    verdict = judge(evidence({"slow": Group(40, cut=0.25)}, groupings=alone), limits(), seed=0)
    assert [(one.kind, one.decision) for one in verdict.groups] == [("cut", "exceeds")]


def test_few_speakers_decide_nothing_and_say_how_many_would():
    verdict = judge(evidence({name: Group(11, turns=3) for name in EVEN}), limits(), seed=0)
    assert verdict.verdict == "INSUFFICIENT"
    assert any("more test speakers like these would decide" in line for line in verdict.undecided)


def test_a_group_below_the_least_number_cannot_be_judged():
    verdict = judge(evidence({"slow": Group(8), "fast": Group(80)}), limits(), seed=0)
    assert verdict.verdict == "INSUFFICIENT"
    assert [one.decision for one in verdict.groups if one.group == "slow"] == ["unjudgeable", "unjudgeable"]
    told = [*verdict.reasons, *verdict.further]
    assert sum("slow (pace) has 8 test speakers, 10 are needed: 2 missing." in line for line in told) == 1


def test_too_few_speakers_in_all_leave_nothing_to_say():
    verdict = judge(evidence({"slow": Group(3), "fast": Group(3)}), limits(), seed=0)
    assert (verdict.whole.wer, verdict.whole.missing_speakers) == (None, 4)
    assert (verdict.cut.cut, verdict.cut.decision) == (None, "unjudgeable")


def test_errors_of_everybody_fail_however_equal():
    verdict = judge(evidence({name: Group(40, wer=0.5) for name in EVEN}), limits(), seed=0)
    assert verdict.verdict == "FAIL"
    assert verdict.whole.decision == "exceeds"
    assert {one.decision for one in verdict.groups if one.kind == "wer"} <= {"within", "undecided", "reference"}


def test_no_turn_cut_off_is_zero_and_still_bounded():
    verdict = judge(evidence({name: Group(40, cut=0.0) for name in EVEN}), limits(), seed=0)
    assert (verdict.cut.cut, verdict.cut.cut_at_least) == (0.0, 0.0)
    assert verdict.cut.cut_at_most is not None
    assert 0 < verdict.cut.cut_at_most < 0.01


def test_without_groups_nothing_was_tested():
    bare = (Grouping(name=PACE, judged=(), aside=("slow",), reason="too few speakers"),)
    verdict = judge(evidence(EVEN, groupings=bare), limits(), seed=0)
    assert verdict.verdict == "INSUFFICIENT"
    assert "There are no two groups to compare, so equal service was not tested." in verdict.reasons
    assert "Groups by pace are not compared: too few speakers." in verdict.reasons


def test_speakers_who_were_trained_on_prove_nothing():
    verdict = judge(evidence(EVEN, speakers_overlap=True), limits(), seed=0)
    assert verdict.verdict == "INSUFFICIENT"
    assert "ingest.allow_speaker_overlap" in " ".join(verdict.reasons)


def test_words_that_nobody_said_count_for_everyone_and_for_no_group():
    quiet, loud = (judge(evidence(EVEN, beside=400, silent=silent), limits(), seed=0) for silent in (0, 200))
    plain = judge(evidence(EVEN), limits(), seed=0)
    words = plain.whole.words
    assert quiet.whole.wer == pytest.approx(plain.whole.wer + 400 / words)
    assert loud.whole.wer == pytest.approx(quiet.whole.wer + 200 / words)
    assert [one.rate for one in loud.groups] == [one.rate for one in plain.groups]


def test_errors_beside_all_turns_are_shared_by_words():
    turn = {"mixture": "m", "speaker": "long", "words": 30, "errors": 1, "cut": False}
    mixture = {"mixture": "m", "words": 40, "orc_errors": 10}
    served = summed([turn, {**turn, "speaker": "short", "words": 10, "errors": 5}], [mixture])
    assert served.speakers == ("long", "short")
    assert served.shared_S.tolist() == [3.0, 1.0]


@pytest.mark.parametrize("mixture", [{"mixture": "m", "words": 9, "orc_errors": 1},
                                     {"mixture": "m", "words": 10, "orc_errors": 0}])
def test_tables_about_other_words_are_refused(mixture):
    turn = {"mixture": "m", "speaker": "a", "words": 10, "errors": 1, "cut": False}
    with pytest.raises(GateError, match="turns and word errors of mixture 'm' must be about the same words"):
        summed([turn], [mixture])


def test_without_test_speakers_there_is_nothing_to_judge():
    with pytest.raises(GateError, match="must be more than none"):
        summed([], [])


def test_a_verdict_is_plain_json():
    content = judge(evidence(EVEN), limits(), seed=0).to_json()
    assert set(content["groups"][0]) == {"partition", "group", "against", "kind", "speakers", "words", "turns", "rate",
                                         "gap", "at_least", "at_most", "decision", "missing_speakers"}
    assert isinstance(content["reasons"], list)
    assert content["cut"]["turns"] == 3 * 80 * 12


@pytest.mark.science
def test_equal_groups_are_failed_no_more_often_than_the_confidence_allows():
    equal = {name: Group(30, cut=0.1) for name in EVEN}
    failed = sum(judge(evidence(equal, seed=seed), limits(max_gap=0.01, max_wer=0.1), seed=seed).verdict == "FAIL"
                 for seed in range(60))
    assert failed <= 8
