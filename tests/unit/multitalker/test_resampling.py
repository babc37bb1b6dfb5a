"""Intervals of rates and of quantiles, speakers resampled with all their turns."""

import time

import numpy as np
import pytest

from evenvoice.multitalker.resampling import Outcomes, TurnBootstrap

EVERYONE = np.ones(3, dtype=bool)


def turn(mixture: str, speaker: str, **more):
    return {"mixture": mixture, "speaker": speaker, "words": 10, "errors": 0, "cut": False, "sot_latency_s": 0.2,
            "eot_latency_s": 0.3, **more}


def mixture(name: str, *speakers: str, **more):
    return {"mixture": name, "speakers": list(speakers), "turns": len(speakers), "heard_turns": len(speakers),
            "words": 10 * len(speakers), "orc_errors": 0, "cp_errors": 0, **more}


def outcomes() -> Outcomes:
    spoken = [turn("m1", "a", errors=2), turn("m1", "b", cut=True, eot_latency_s=-0.5), turn("m2", "c"),
              turn("m2", "a", eot_latency_s=None, sot_latency_s=None)]
    return Outcomes.of(spoken, [mixture("m1", "a", "b", orc_errors=3), mixture("m2", "c", "a"), mixture("quiet")])


def test_turns_are_summed_by_speaker():
    found = outcomes()
    assert found.served.speakers == ("a", "b", "c")
    assert found.missed.errors.tolist() == [1, 0, 0]
    assert found.missed.words.tolist() == [2, 1, 1]
    assert found.eot_s.tolist()[:3] == [0.3, -0.5, 0.3]
    assert np.isnan(found.eot_s[3])


def test_a_mixture_counts_by_the_mean_weight_of_its_speakers_and_a_silent_one_always_once():
    parts_S = outcomes().shared([1, 10, 100])
    assert parts_S == pytest.approx([0.5 + 5 + 100 / 3, 0.5 + 100 / 3, 5 + 100 / 3])
    weights_S = np.array([3, 0, 0])
    assert weights_S @ parts_S == pytest.approx(1 * 1.5 + 10 * 1.5 + 100)


def test_a_rate_is_a_ratio_of_sums_between_its_bounds():
    rate = TurnBootstrap(3, 500, np.random.default_rng(0)).rate(outcomes().missed, EVERYONE, 0.95)
    assert rate.estimate == 0.25
    assert rate.low < 0.25 < rate.high


def test_a_rate_of_nothing_is_not_a_perfect_one():
    found = outcomes()
    nobody = TurnBootstrap(3, 50, np.random.default_rng(0)).rate(found.missed, np.zeros(3, dtype=bool), 0.95)
    assert np.isnan([nobody.estimate, nobody.low, nobody.high]).all()


def quantiles(values, speakers, members=EVERYONE, shares=(0.5, 0.9), replicates=200):
    return TurnBootstrap(len(members), replicates, np.random.default_rng(0)).quantiles(
        np.array(values, dtype=float), np.array(speakers), members, shares)


def test_a_quantile_is_a_latency_that_there_was():
    middle, late = quantiles(range(1, 11), [0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    assert (middle.estimate, late.estimate) == (5, 9)
    assert set(late.replicates) <= set(range(1, 11))


def test_replicates_weigh_a_turn_by_how_often_its_speaker_was_drawn():
    values, speakers = np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([2, 1, 0, 1, 2])
    [found] = quantiles(values, speakers, shares=(0.7,))
    [drawn] = TurnBootstrap(3, 200, np.random.default_rng(0)).draw(np.eye(3), np.ones(3), [EVERYONE])
    weights_RS = drawn.sums_RK.astype(int)
    expected = [np.quantile(np.repeat(values, weights_S[speakers]), 0.7, method="inverted_cdf")
                for weights_S in weights_RS]
    assert found.replicates == pytest.approx(expected)


def test_a_turn_without_a_latency_has_no_part_in_quantiles():
    [found] = quantiles([0.1, np.nan, 0.3], [0, 1, 2], shares=(1.0,))
    assert found.estimate == 0.3
    assert found.freedom == 1


def test_only_members_count_and_a_replicate_without_them_is_unknown():
    [found] = quantiles([0.1, 0.2, 0.3], [0, 1, 2], members=np.array([True, False, False]), shares=(0.5,))
    assert found.estimate == 0.1
    assert np.isnan(found.replicates).any()
    assert np.isnan(found.interval(0.95).low)


def test_a_group_without_latencies_has_no_quantile():
    [found] = quantiles([np.nan, 0.2, 0.3], [0, 1, 2], members=np.array([True, False, False]), shares=(0.5,))
    assert np.isnan(found.estimate)
    assert np.isnan(found.interval(0.95).high)


def test_many_replicates_of_many_turns_take_no_seconds():
    rng, started = np.random.default_rng(0), time.process_time()
    bootstrap = TurnBootstrap(300, 2000, rng)
    bootstrap.quantiles(rng.normal(size=3000), rng.integers(0, 300, 3000), np.ones(300, dtype=bool), (0.5, 0.9))
    assert time.process_time() - started < 5
