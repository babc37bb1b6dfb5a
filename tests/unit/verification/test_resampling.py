"""Intervals of error rates of pairs of speakers."""

import numpy as np
import pytest
from scipy.stats import norm

from evenvoice.metrics.bootstrap import multinomial_weights
from evenvoice.verification.detection import equal_error_rate
from evenvoice.verification.resampling import PairBootstrap, Pairs
from tests.builders.verification import scored


def bootstrap(speakers: int, replicates: int = 50, seed: int = 0) -> PairBootstrap:
    return PairBootstrap(speakers, replicates, np.random.default_rng(seed))


def by_hand(scores: np.ndarray, pairs: Pairs, weights: np.ndarray) -> float:
    """Every trial written down as often as it counts."""
    times = np.where(pairs.same, weights[pairs.first], weights[pairs.first] * weights[pairs.second])
    return equal_error_rate(np.repeat(scores, times), np.repeat(pairs.same, times))


@pytest.mark.parametrize("distance", [0.0, 2.0, 6.0])
def test_a_replicate_counts_each_pair_as_often_as_both_of_its_speakers(distance):
    heard = scored([distance, distance], speakers=8)
    found = bootstrap(16).log_equal_error_rate(heard.scores, heard.pairs)
    drawn = multinomial_weights(16, 50, np.random.default_rng(0)).astype(int)
    expected = [by_hand(heard.scores, heard.pairs, weights) for weights in drawn]
    smallest = 0.5 / heard.same.sum()
    assert np.exp(found.replicates) == pytest.approx(np.maximum(expected, smallest))


def test_equal_scores_are_decided_together_in_every_replicate():
    heard = scored([2.0, 2.0], speakers=8)
    scores = np.round(heard.scores)
    found = bootstrap(16).log_equal_error_rate(scores, heard.pairs)
    drawn = multinomial_weights(16, 50, np.random.default_rng(0)).astype(int)
    assert np.exp(found.replicates) == pytest.approx([by_hand(scores, heard.pairs, weights) for weights in drawn])


def test_rates_of_one_kind_are_sums_over_speakers_and_over_pairs_of_them():
    heard = scored([2.0], speakers=9)
    wrong = heard.scores > 0
    drawn = multinomial_weights(9, 50, np.random.default_rng(0)).astype(float)
    for kind in (heard.same, ~heard.same):
        pairs = heard.pairs.where(kind)
        times = np.where(pairs.same, drawn[:, pairs.first], drawn[:, pairs.first] * drawn[:, pairs.second])
        expected = np.maximum((times * wrong[kind]).sum(axis=1), 0.5) / times.sum(axis=1)
        assert np.exp(bootstrap(9).log_rate(wrong[kind], pairs).replicates) == pytest.approx(expected)


def test_no_error_at_all_still_has_an_upper_bound():
    heard = scored([50.0], speakers=12)
    found = bootstrap(12).log_equal_error_rate(heard.scores, heard.pairs)
    assert 0 < np.exp(found.upper(0.95)) < 0.2


def test_without_replicates_there_is_an_estimate():
    heard = scored([2.0], speakers=9)
    found = bootstrap(9, replicates=0).log_equal_error_rate(heard.scores, heard.pairs)
    assert np.exp(found.estimate) == pytest.approx(equal_error_rate(heard.scores, heard.same))


def test_no_trial_is_unknown_and_not_perfect():
    nothing = Pairs(np.empty(0, np.int64), np.empty(0, np.int64))
    assert np.isnan(bootstrap(5).log_rate(np.empty(0, bool), nothing).estimate)


def speaker_effects(rng: np.random.Generator, speakers: int = 30) -> tuple[np.ndarray, Pairs]:
    """Trials in which some speakers are told apart worse than others, whoever they meet."""
    own = np.repeat(np.arange(speakers), 6)
    one, other = np.triu_indices(speakers, k=1)
    pairs = Pairs(np.concatenate([own, one]), np.concatenate([own, other]))
    goat, lamb = rng.normal(0, 0.7, speakers), rng.normal(0, 0.4, speakers)
    mean = np.where(pairs.same, 1.0 + goat[pairs.first], -1.0 + lamb[pairs.first] + lamb[pairs.second])
    return mean + rng.normal(0, 0.7, len(mean)), pairs


@pytest.mark.science
def test_intervals_hold_the_truth_as_often_as_they_say_and_resampled_trials_do_not():
    worlds, speakers, level = 200, 30, 0.9
    large = np.mean([equal_error_rate(*(lambda made: (made[0], made[1].same))(
        speaker_effects(np.random.default_rng(10_000 + number), 200))) for number in range(20)])
    held = naive = 0
    for number in range(worlds):
        rng = np.random.default_rng(number)
        scores, pairs = speaker_effects(rng, speakers)
        bounds = PairBootstrap(speakers, 300, rng).log_equal_error_rate(scores, pairs).interval(level)
        held += bounds.low <= np.log(large) <= bounds.high
        again = [rng.integers(len(scores), size=len(scores)) for _ in range(100)]
        rates = [equal_error_rate(scores[rows], pairs.same[rows]) for rows in again]
        naive += np.quantile(rates, 0.05) <= large <= np.quantile(rates, 0.95)
    assert 0.83 <= held / worlds <= 0.97
    assert naive / worlds < 0.75


def test_the_builder_gives_the_rates_that_it_promises():
    heard = scored([2.0], speakers=120, same=10)
    assert equal_error_rate(heard.scores, heard.same) == pytest.approx(norm.sf(1.0), abs=0.02)
