"""Worlds of known truth: what is true of a cohort, what counts as an error of the gate, and the way to a verdict."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import trust
from benchmarks.trust import (
    Outcome,
    counted,
    judge_world,
    measure,
    quick_settings,
    together,
    trials_at,
    true_gaps,
    wilson,
)
from benchmarks.trusting.worlds import ALIKE, FORMATTED, WORLDS, World, draw
from evenvoice.metrics.partitions import FrozenCohort, Partition

OF = {one.name: one for one in WORLDS}
LIMIT = 0.5


def rate(drawn, who, errors="as written"):
    return drawn.errors[errors][who].sum() / drawn.words[who].sum()


@pytest.mark.parametrize("name", [one.name for one in WORLDS])
def test_the_planted_group_has_its_share_and_errs_more_by_its_gap(name: str) -> None:
    of = OF[name]
    drawn = draw(of, 30_000, np.random.default_rng(1))
    recognised = list(drawn.errors)[-1]
    assert drawn.planted.mean() == pytest.approx(of.share, abs=0.01)
    assert rate(drawn, ~drawn.planted, recognised) == pytest.approx(of.wer, rel=0.12)
    assert rate(drawn, drawn.planted, recognised) / rate(drawn, ~drawn.planted, recognised) - 1 == pytest.approx(
        of.gap, abs=0.2)


def test_the_accent_of_a_correlated_world_is_more_frequent_in_the_planted_region_and_has_no_part_in_errors() -> None:
    drawn = draw(OF["correlated"], 30_000, np.random.default_rng(1))
    accented = drawn.columns["accent"] == "planted"
    assert accented[drawn.planted].mean() == pytest.approx(ALIKE, abs=0.01)
    assert accented[~drawn.planted].mean() == pytest.approx(1 - ALIKE, abs=0.01)
    assert rate(drawn, accented & drawn.planted) == pytest.approx(rate(drawn, ~accented & drawn.planted), rel=0.06)


def test_a_wrong_normaliser_adds_errors_to_the_planted_group_alone() -> None:
    drawn = draw(OF["formatting"], 30_000, np.random.default_rng(1))
    added = drawn.errors["as written"] - drawn.errors["one spelling"]
    assert not added[~drawn.planted].any()
    assert added[drawn.planted].sum() / drawn.words[drawn.planted].sum() == pytest.approx(FORMATTED, abs=0.002)


def test_a_cohort_that_mixes_planted_and_others_is_truly_less_far_off_than_the_planted_group() -> None:
    drawn = draw(OF["null"], 8, np.random.default_rng(0))
    drawn = replace(drawn, words=np.array([100] * 8), rates=np.array([0.2, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.9]))
    labels = np.array(["far", "far", "far", "far", "near", "near", None, "near"], dtype=object)
    partition = Partition(method="geographic", applicable=True, reason="", cohorts=tuple(
        FrozenCohort(cohort=name, rule=name, discover_speakers=20, discover_words=2000, discover_wer=wer)
        for name, wer in (("far", 0.2), ("near", 0.1))))
    placed = ([partition], {"geographic": labels}, np.array([True] * 7 + [False]))
    judged = [("geographic", "far"), ("geographic", "near")]
    assert true_gaps(drawn, *placed, "top", judged) == {("geographic", "far"): pytest.approx(0.5)}
    beside_rest = true_gaps(drawn, *placed, "rest", judged)
    assert beside_rest["geographic", "far"] == pytest.approx(0.5)
    assert beside_rest["geographic", "near"] == pytest.approx(0.1 / 0.14 - 1)


def told(verdict: str, worst: float, planted: float, *, misnamed: bool = False) -> dict[str, int]:
    outcome = Outcome(verdict=verdict, worst=worst, planted=planted, misnamed=misnamed, spelling=False)
    return counted([outcome], LIMIT)


def test_a_pass_is_an_error_of_the_gate_where_a_judged_cohort_is_beyond_and_of_discovery_where_none_is() -> None:
    assert (told("PASS", 0.65, 0.65)["promoted"], told("PASS", 0.65, 0.65)["missed"]) == (1, 0)
    assert (told("PASS", 0.3, 0.65)["promoted"], told("PASS", 0.3, 0.65)["missed"]) == (0, 1)
    assert (told("PASS", 0.3, 0.4)["promoted"], told("PASS", 0.3, 0.4)["missed"]) == (0, 0)


def test_a_fail_is_an_error_where_neither_a_cohort_nor_the_planted_group_is_beyond() -> None:
    assert told("FAIL", 0.4, 0.4)["blocked"] == 1
    assert told("FAIL", 0.65, 0.4)["blocked"] == 0
    assert told("FAIL", 0.4, 0.65)["blocked"] == 0


def test_a_gap_at_the_limit_counts_against_both_verdicts_and_neither_is_right() -> None:
    assert told("PASS", 0.5, 0.5)["promoted"] == 1
    assert told("FAIL", 0.5, 0.5)["blocked"] == 1
    assert told("FAIL", 0.5, 0.5)["decidable"] == 0


def test_right_is_what_is_true_and_insufficient_never_is() -> None:
    assert told("PASS", 0.2, 0.2)["right"] == 1
    assert told("FAIL", 0.65, 0.65)["right"] == 1
    assert told("INSUFFICIENT", 0.65, 0.65)["right"] == 0


def test_wilsons_interval_of_5_in_100_and_of_none() -> None:
    assert wilson(5, 100) == pytest.approx((0.0215, 0.1118), abs=1e-4)
    assert wilson(0, 100) == pytest.approx((0, 0.0370), abs=1e-4)


def test_above_a_thousand_speakers_trials_are_fewer_in_proportion() -> None:
    assert [trials_at(speakers, 60) for speakers in (200, 1000, 3000)] == [60, 60, 20]


def test_a_gap_far_beyond_the_limit_fails_wherever_a_column_names_it_and_equal_service_passes() -> None:
    settings = quick_settings()
    far = judge_world(draw(World(name="far", gap=3.0), 400, np.random.default_rng(2)), settings)
    assert {name: outcome.verdict for name, outcome in far.items() if name != "searched"} == dict.fromkeys(
        ("top", "rest", "declared", "one column"), "FAIL")
    assert all(outcome.planted == pytest.approx(3.0) for outcome in far.values())
    even = judge_world(draw(OF["null"], 1500, np.random.default_rng(2)), settings)
    assert even["one column"].verdict == even["declared"].verdict == "PASS"
    assert all(outcome.worst < LIMIT and not outcome.misnamed for outcome in even.values())


def test_the_same_seed_gives_the_same_verdicts() -> None:
    one, other = (measure(OF["65%"], 200, 2, seed=3) for _ in range(2))
    assert [row | {"cpu_s_per_trial": 0} for row in one] == [row | {"cpu_s_per_trial": 0} for row in other]


def test_sizes_together_are_the_sum_of_their_counts() -> None:
    few = {"world": "null", "speakers": 200, "way": "top", **told("PASS", 0.0, 0.0)}
    more = {"world": "null", "speakers": 500, "way": "top", **told("FAIL", 0.0, 0.0)}
    [both] = together([few, more])
    assert (both["speakers"], both["trials"], both["pass"], both["fail"], both["blocked"]) == ("all", 2, 1, 1, 1)


def test_a_small_run_prints_a_table_and_keeps_it_with_its_hardware(tmp_path, capsys) -> None:
    path = trust.main(["--trials", "2", "--speakers", "120", "--worlds", "formatting", "--jobs", "1",
                       "--out", str(tmp_path)])
    content = json.loads(path.read_text(encoding="utf-8"))
    assert path.name.endswith("-gate-trust.json")
    assert [(row["world"], row["speakers"]) for row in content["rows"]] == [
        *[("formatting", 120)] * len(trust.WAYS), *[("formatting", "all")] * len(trust.WAYS)]
    assert content["settings"]["gate"]["max_gap"] == LIMIT
    assert "processor" in content["hardware"]
    printed = capsys.readouterr().out
    assert printed.startswith("world ")
    assert "one column" in printed
