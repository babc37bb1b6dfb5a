"""How often intervals and verdicts are wrong, in worlds whose truth is known.

The figures in docs/fairness.md are those of this file with EVENVOICE_TRIALS=400.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from evenvoice.gates import Evidence, judge
from evenvoice.metrics.bootstrap import SpeakerBootstrap, SpeakerTable, ratio_of_groups, wer_interval
from evenvoice.metrics.speakers import SplitTable
from evenvoice.params import Gate
from tests.builders.origins import NO_ORIGINS
from tests.builders.simulation import UTTERANCES, World
from tests.builders.tables import made_partition

TRIALS = int(os.environ.get("EVENVOICE_TRIALS", "80"))
pytestmark = pytest.mark.science


def luck(share: float) -> float:
    """Three standard errors of a share of ``TRIALS``."""
    return 3 * float(np.sqrt(share * (1 - share) / TRIALS))


@pytest.mark.parametrize("speakers", [10, 12, 20, 30, 100])
def test_95_per_cent_intervals_of_a_cohorts_wer_hold_the_truth(speakers: int) -> None:
    world = World()
    student = percentile = 0
    for trial in range(TRIALS):
        rng = np.random.default_rng([1, speakers, trial])
        table = SpeakerTable(*world.speakers(speakers, rng))
        log_wer = SpeakerBootstrap(speakers, 500, rng).log_wer(table)
        found = wer_interval(log_wer, errors=float(table.errors.sum()), confidence=0.95)
        low, high = np.exp(np.quantile(log_wer.replicates, [0.025, 0.975]))
        student += found.low <= world.wer <= found.high
        percentile += low <= world.wer <= high
    print(f"coverage at {speakers} speakers: {student / TRIALS:.3f}, percentile interval {percentile / TRIALS:.3f}")
    assert student / TRIALS > 0.94 - luck(0.06)
    assert student >= percentile


@pytest.mark.parametrize("speakers", [12, 30, 100])
def test_two_equal_cohorts_are_told_apart_in_5_of_100_trials_but_far_more_often_by_utterance(speakers: int) -> None:
    alarms = {"speakers": 0, "utterances": 0}
    for trial in range(TRIALS):
        rng = np.random.default_rng([2, speakers, trial])
        errors, words = World().utterances(2 * speakers, rng)
        north = np.arange(2 * speakers) < speakers
        alarms["speakers"] += _differ(errors.sum(axis=1), words.sum(axis=1), north, rng)
        alarms["utterances"] += _differ(errors.ravel(), words.ravel(), np.repeat(north, UTTERANCES), rng)
    print(f"false alarms at {speakers} speakers per cohort: { {name: n / TRIALS for name, n in alarms.items()} }")
    assert alarms["speakers"] / TRIALS < 0.06 + luck(0.06)
    assert alarms["utterances"] > max(2 * alarms["speakers"], 0.1 * TRIALS)


def _differ(errors: np.ndarray, words: np.ndarray, north: np.ndarray, rng: np.random.Generator) -> bool:
    bootstrap, table = SpeakerBootstrap(len(errors), 500, rng), SpeakerTable(errors, words)
    ratio = ratio_of_groups(bootstrap.log_wer(table, north), bootstrap.log_wer(table, ~north))
    bounds = ratio.interval(0.95)
    return not bounds.low <= 0 <= bounds.high


LIMITS = Gate(max_gap=0.5, reference="top", max_wer=0.9, regression_margin=0.03, saving_margin=0.1,
              confidence=0.95, min_speakers=10)
COHORTS = [f"c{number}" for number in range(6)]


def verdicts(speakers: int, gaps: list[float], stream: int) -> dict[str, float]:
    """Shares of verdicts when each cohort has ``gaps`` over the last one."""
    found = dict.fromkeys(("PASS", "FAIL", "INSUFFICIENT"), 0)
    partition = made_partition({name: 0.3 - 0.01 * rank for rank, name in enumerate(COHORTS)})
    for trial in range(TRIALS):
        rng = np.random.default_rng([stream, speakers, trial])
        drawn = [World(wer=0.1 * (1 + gap)).speakers(speakers, rng) for gap in gaps]
        errors, words = (np.concatenate(column) for column in zip(*drawn, strict=True))
        test = SplitTable(split="test", speakers=np.arange(len(words)).astype(str).astype(object), words=words,
                          errors={"base": errors}, cohorts={"geographic": np.repeat(COHORTS, speakers).astype(object)})
        evidence = Evidence(test=test, partitions=(partition,), challenger="base", labelled="synthetic",
                            speakers_overlap=False, origins=NO_ORIGINS)
        judged = judge(evidence, LIMITS, seed=trial)
        found[judged.verdict] += 1
    return {name: count / TRIALS for name, count in found.items()}


@pytest.mark.parametrize("speakers", [12, 30, 100])
def test_five_cohorts_exactly_at_the_limit_fail_in_5_of_100_trials(speakers: int) -> None:
    found = verdicts(speakers, [0.5] * 5 + [0.0], stream=3)
    print(f"all at the limit, {speakers} speakers per cohort: {found}")
    assert found["FAIL"] < 0.06 + luck(0.06)
    assert found["PASS"] < 0.05


@pytest.mark.parametrize("speakers", [30, 100])
def test_one_cohort_at_the_limit_passes_in_at_most_5_of_100_trials(speakers: int) -> None:
    found = verdicts(speakers, [0.5, -0.2, -0.2, -0.2, -0.2, 0.0], stream=4)
    print(f"one at the limit, {speakers} speakers per cohort: {found}")
    assert found["PASS"] < 0.06 + luck(0.06)


def test_a_real_gap_is_found_and_equal_service_is_shown_with_enough_speakers() -> None:
    unfair = verdicts(100, [1.5, 0.0, 0.0, 0.0, 0.0, 0.0], stream=5)
    fair = verdicts(100, [-0.2, -0.2, -0.2, -0.2, -0.2, 0.0], stream=6)
    print(f"gap of 150 %: {unfair}; no gap: {fair}")
    assert unfair["FAIL"] > 0.8
    assert fair["PASS"] > 0.8
