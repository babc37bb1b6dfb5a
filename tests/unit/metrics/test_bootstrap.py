"""Speakers are resampled, pooled WER is a ratio of sums, comparisons are paired."""

from __future__ import annotations

import numpy as np
import pytest

from evenvoice.errors import ArtifactError
from evenvoice.metrics.bootstrap import (
    SpeakerBootstrap,
    SpeakerTable,
    compare_models,
    counting_error,
    multinomial_weights,
    ratio_of_groups,
    ratio_of_models,
    relative_interval,
    simultaneous_level,
    wer_interval,
)


def bootstrap(speakers: int, replicates: int = 2000, seed: int = 1) -> SpeakerBootstrap:
    return SpeakerBootstrap(speakers, replicates, np.random.default_rng(seed))


def test_every_replicate_draws_as_many_speakers_as_there_are() -> None:
    weights_RS = multinomial_weights(7, 500, np.random.default_rng(1))
    assert weights_RS.shape == (500, 7)
    assert set(weights_RS.sum(axis=1)) == {7}
    assert weights_RS.mean(axis=0) == pytest.approx(np.ones(7), abs=0.15)


def test_weights_drawn_in_pieces_are_multinomial_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evenvoice.metrics.bootstrap.CELLS_AT_ONCE", 15)
    weights_RS = multinomial_weights(7, 501, np.random.default_rng(1))
    assert set(weights_RS.sum(axis=1)) == {7}


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second = (multinomial_weights(20, 100, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, second)


def test_pooled_wer_is_errors_over_words_not_the_mean_of_rates() -> None:
    assert SpeakerTable(np.array([0, 30]), np.array([10, 90])).wer == 0.3


def test_no_words_is_no_wer_rather_than_a_perfect_one() -> None:
    assert np.isnan(SpeakerTable(np.array([0]), np.array([0])).wer)


@pytest.mark.parametrize("errors", [[1, np.nan], [1, -1], [1, np.inf], [1, 2, 3]])
def test_what_is_not_a_count_per_speaker_is_refused(errors: list[float]) -> None:
    with pytest.raises(ArtifactError, match=r"one count of errors|be a count"):
        SpeakerTable(np.array(errors), np.array([10, 10]))


def test_sums_over_members_weigh_each_speaker_as_drawn() -> None:
    resampled = bootstrap(3, replicates=50, seed=2)
    weights_RS = multinomial_weights(3, 50, np.random.default_rng(2))
    columns_SK = np.array([[1, 10], [2, 20], [4, 40]])
    outer, middle = np.array([True, False, True]), np.array([False, True, False])
    drawn, rest = resampled.draw(columns_SK, columns_SK[:, 0], [outer, middle])
    assert np.array_equal(drawn.sums_RK, weights_RS[:, [0, 2]].astype(int) @ columns_SK[[0, 2]])
    assert np.array_equal(rest.sums_RK, weights_RS[:, [1]].astype(int) @ columns_SK[[1]])


def test_the_rest_is_everyone_without_a_group() -> None:
    words_S, errors_S = np.array([10, 20, 0, 40]), np.array([1, 2, 0, 4])
    group = np.array([True, False, False, True])
    everyone, inside, outside = bootstrap(4).draw(np.column_stack([words_S, errors_S]), words_S,
                                                  [np.ones(4, dtype=bool), group, ~group])
    rest = everyone.without(inside)
    assert rest.heard_U.tolist() == outside.heard_U.tolist()
    assert np.array_equal(rest.sums_RK, outside.sums_RK)
    assert rest.log_wers()[0].standard_error == outside.log_wers()[0].standard_error


def test_groups_of_many_speakers_say_as_much_as_each_speaker_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    words_S = rng.poisson(100, 4000)
    table = SpeakerTable(rng.poisson(words_S * 0.1 * rng.gamma(2, 0.5, 4000)), words_S)
    few = np.arange(4000) < 40
    alone = [bootstrap(4000).log_wer(table, members_S) for members_S in (~few, few)]
    monkeypatch.setattr("evenvoice.metrics.bootstrap.RESAMPLED_ALONE", 400)
    grouped = [bootstrap(4000).log_wer(table, members_S) for members_S in (~few, few)]
    for one, other in zip(grouped, alone, strict=True):
        assert one.estimate == other.estimate
        assert one.standard_error == pytest.approx(other.standard_error, rel=0.1)
    assert grouped[0].freedom == 399
    assert 30 < grouped[1].freedom <= 39


def test_the_interval_agrees_with_the_variance_between_speakers() -> None:
    rng = np.random.default_rng(3)
    errors, words = rng.poisson(20 * rng.gamma(4, 0.25, 400)), np.full(400, 200)
    log_wer = bootstrap(400).log_wer(SpeakerTable(errors, words))
    by_formula = errors.std(ddof=1) / np.sqrt(400) / errors.mean()
    assert log_wer.standard_error == pytest.approx(by_formula, rel=0.06)


def test_speakers_who_say_twice_as_much_do_not_count_as_twice_as_many() -> None:
    errors, words = np.array([10, 30, 10, 40, 20]), np.full(5, 100)
    once = bootstrap(5).log_wer(SpeakerTable(errors, words))
    tenfold = bootstrap(5).log_wer(SpeakerTable(10 * errors, 10 * words))
    assert tenfold.standard_error == pytest.approx(once.standard_error)


def test_two_models_with_proportional_errors_differ_without_doubt_when_paired() -> None:
    errors, words = np.array([10, 30, 10, 40, 20]), np.full(5, 100)
    found = compare_models(SpeakerTable(2 * errors, words), SpeakerTable(errors, words), replicates=500,
                           confidence=0.95, seed=1)
    assert (found.estimate, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))


def test_a_model_beside_itself_changes_nothing() -> None:
    same = bootstrap(5).log_wer(SpeakerTable(np.array([0, 3, 1, 4, 2]), np.full(5, 100)))
    found = relative_interval(ratio_of_models(same, same), errors=10, confidence=0.95)
    assert (found.estimate, found.low, found.high) == (0, 0, 0)


def test_models_on_different_words_are_not_compared() -> None:
    with pytest.raises(ArtifactError, match="same words"):
        compare_models(SpeakerTable(np.array([1]), np.array([10])), SpeakerTable(np.array([1]), np.array([11])),
                       replicates=200, confidence=0.95, seed=1)


def test_no_error_in_200_words_leaves_a_wer_of_just_over_one_per_cent_possible() -> None:
    table = SpeakerTable(np.zeros(40, dtype=int), np.full(40, 5))
    found = wer_interval(bootstrap(40).log_wer(table), errors=0, confidence=0.9)
    assert (found.estimate, found.low) == (0, 0)
    assert found.high == pytest.approx(2.7 / 200, rel=0.05)  # the exact one-sided 95 % bound is 3.0 / 200


def test_speakers_who_happen_to_agree_are_no_certainty() -> None:
    log_wer = bootstrap(10).log_wer(SpeakerTable(np.full(10, 5), np.full(10, 50)))
    assert log_wer.standard_error == pytest.approx(counting_error(50, 500)) == pytest.approx(np.sqrt(0.9 / 50))


def test_one_speaker_has_a_wer_but_no_bounds() -> None:
    found = wer_interval(bootstrap(1).log_wer(SpeakerTable(np.array([5]), np.array([50]))), errors=5, confidence=0.95)
    assert found.estimate == pytest.approx(0.1)
    assert np.isnan([found.low, found.high]).all()


def test_a_group_without_words_is_nan_throughout() -> None:
    log_wer = bootstrap(3).log_wer(SpeakerTable(np.array([1, 2, 0]), np.array([10, 10, 0])),
                                   np.array([False, False, True]))
    assert np.isnan(log_wer.estimate)
    assert np.isnan(log_wer.lower(0.95))


def test_a_small_group_dominates_the_freedom_of_a_ratio() -> None:
    rng = np.random.default_rng(4)
    table = SpeakerTable(rng.poisson(20, 210), np.full(210, 200))
    members = np.arange(210) < 10
    resampled = bootstrap(210)
    ratio = ratio_of_groups(resampled.log_wer(table, members), resampled.log_wer(table, ~members))
    assert 9 <= ratio.freedom < 15


def test_many_claims_need_a_higher_level_than_one_but_never_more_than_bonferroni() -> None:
    rng = np.random.default_rng(4)
    table = SpeakerTable(rng.poisson(20, 300), np.full(300, 200))
    resampled = bootstrap(300, replicates=20_000)
    apart = [resampled.log_wer(table, np.arange(300) % 10 == group) for group in range(10)]
    assert simultaneous_level(apart[:1], 0.95) == pytest.approx(0.95, abs=0.01)
    assert simultaneous_level(apart, 0.95) == pytest.approx(0.95 ** 0.1, abs=0.003)


def test_the_same_claim_ten_times_is_one_claim() -> None:
    one = bootstrap(30, replicates=20_000).log_wer(SpeakerTable(np.arange(30), np.full(30, 200)))
    assert simultaneous_level([one] * 10, 0.95) == simultaneous_level([one], 0.95)
