"""The gain of a split and the test that stops the search."""

import math

import numpy as np
import pytest

from evenvoice.cohorts.permutation import (
    Cuts,
    beyond_chance,
    largest_gains,
    permutation_p_value,
    shuffled_gains,
    split_gains,
)

ERRORS = np.array([[1, 1, 9, 9]])
WORDS = np.array([[50, 50, 50, 50]])
EVERY_CUT = Cuts(feature=0, order=np.array([0, 1, 2, 3]), sizes=np.array([1, 2, 3]),
                 thresholds=np.array([0.5, 1.5, 2.5]))


def test_the_poisson_gain_is_the_log_likelihood_ratio_of_one_rate_per_side_against_one_for_both():
    gains = split_gains(errors_PS=ERRORS, words_PS=WORDS, candidates=EVERY_CUT, min_words=1, gain="poisson")
    two_against_two = 2 * math.log(2 / 100) + 18 * math.log(18 / 100) - 20 * math.log(20 / 200)
    assert gains[0, 1] == pytest.approx(two_against_two)
    assert gains[0].argmax() == 1


def test_the_difference_gain_is_the_distance_of_the_two_word_error_rates():
    gains = split_gains(errors_PS=ERRORS, words_PS=WORDS, candidates=EVERY_CUT, min_words=1, gain="difference")
    assert gains[0].tolist() == pytest.approx([19 / 150 - 1 / 50, 0.18 - 0.02, 9 / 50 - 11 / 150])


def test_a_side_without_errors_has_a_finite_gain():
    gains = split_gains(errors_PS=np.array([[0, 0, 4, 4]]), words_PS=WORDS, candidates=EVERY_CUT, min_words=1,
                        gain="poisson")
    assert gains[0, 1] == pytest.approx(8 * math.log(2))


def test_a_cut_that_leaves_too_few_words_on_a_side_is_never_chosen():
    gains = split_gains(errors_PS=ERRORS, words_PS=WORDS, candidates=EVERY_CUT, min_words=100, gain="poisson")
    assert np.isfinite(gains[0]).tolist() == [False, True, False]


def test_the_null_is_the_largest_gain_over_all_features():
    reverse = Cuts(feature=0, order=np.array([0, 2, 1, 3]), sizes=np.array([2]), thresholds=np.array([0.0]))
    best = largest_gains(errors_PS=ERRORS, words_PS=WORDS, families=[[reverse, EVERY_CUT]], min_words=1,
                         gain="difference")
    assert best.tolist() == [pytest.approx([0.16])]


def test_each_family_has_its_own_largest_gain_and_one_without_splits_has_none():
    nothing = Cuts(feature=0, order=np.arange(4), sizes=np.array([], dtype=int), thresholds=np.array([]))
    best = largest_gains(errors_PS=ERRORS, words_PS=WORDS, families=[[EVERY_CUT], [nothing]], min_words=1,
                         gain="difference")
    assert best.tolist() == [[pytest.approx(0.16), -math.inf]]


def test_a_family_that_finds_more_in_noise_has_to_find_more_here():
    null = np.array([[1.0, 4.0, -np.inf], [2.0, 5.0, -np.inf], [3.0, 6.0, -np.inf]])
    assert beyond_chance(np.array([5.0, 7.5, -np.inf]), null) == 0
    assert beyond_chance(np.array([5.0, 8.5, -np.inf]), null) == 1


def null_gains(errors, words, cuts: Cuts, gain: str, permutations: int, rng) -> np.ndarray:
    return shuffled_gains(errors_S=errors, words_S=words, families=[[cuts]], min_words=1, gain=gain,
                          permutations=permutations, rng=rng)


def p_value(errors: list[int], observed: float) -> float:
    return permutation_p_value(observed, null_gains(np.array(errors), np.full(4, 50), EVERY_CUT, "difference", 99,
                                                    np.random.default_rng(0)))


def test_speakers_who_are_all_alike_give_a_p_value_of_one():
    assert p_value([5, 5, 5, 5], observed=0.0) == 1.0


def test_an_unreachable_gain_gives_the_smallest_possible_p_value():
    assert p_value([1, 1, 9, 9], observed=0.9) == pytest.approx(1 / 100)


def test_p_values_of_null_worlds_are_spread_evenly():
    rng = np.random.default_rng(1)
    cuts = Cuts(feature=0, order=np.arange(20), sizes=np.arange(4, 17), thresholds=np.arange(13.0))
    values = []
    for _ in range(200):
        errors, words = rng.binomial(60, rng.uniform(0.05, 0.3, 20)), np.full(20, 60)
        observed = largest_gains(errors_PS=errors[None], words_PS=words[None], families=[[cuts]], min_words=1,
                                 gain="poisson")
        values.append(permutation_p_value(float(observed.max()),
                                          null_gains(errors, words, cuts, "poisson", 50, rng)))
    assert np.mean(values) == pytest.approx(0.5, abs=0.08)
    assert np.mean(np.array(values) <= 0.1) < 0.17
