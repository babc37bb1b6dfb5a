"""How a model changes the variance of WER over cohorts, where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.choosing.speakers import Scenario, Size, draw
from evenvoice.metrics.bootstrap import SpeakerBootstrap
from evenvoice.metrics.variance import CohortVariance, change_of_variance, cohort_variances

COHORTS = ("north", "south", "west")


def variances(errors: dict[str, list[list[int]]], words: int = 100) -> list[CohortVariance] | None:
    """cohort -> its speakers, each with the errors of every model."""
    labels = np.array([cohort for cohort, speakers in errors.items() for _ in speakers])
    errors_SM = np.array([row for speakers in errors.values() for row in speakers])
    bootstrap = SpeakerBootstrap(len(labels), 400, np.random.default_rng(1))
    return cohort_variances(bootstrap, errors_SM, np.full(len(labels), words),
                            [labels == cohort for cohort in COHORTS])


def test_each_cohort_counts_by_its_speakers() -> None:
    found = variances({"north": [[30]] * 10, "south": [[10]] * 30})
    assert found is not None
    exact = (10 * (0.3 - 0.15) ** 2 + 30 * (0.1 - 0.15) ** 2) / 40
    # all speakers of a cohort are alike, so only how many of each are drawn varies
    assert found[0].estimate == pytest.approx(exact, rel=0.05)
    assert found[0].freedom == 9


def test_a_model_that_halves_the_difference_leaves_a_quarter_of_the_variance() -> None:
    found = variances({"north": [[30, 25]] * 10, "south": [[10, 15]] * 30})
    assert found is not None
    base, model = found
    change = change_of_variance(model, base, 0.95)
    assert change.estimate == pytest.approx(-0.75)
    assert change.low == pytest.approx(-0.75, abs=1e-6)


def test_the_same_errors_are_no_change_and_without_doubt() -> None:
    found = variances({"north": [[30, 30], [20, 20]], "south": [[10, 10], [5, 5], [9, 9]]})
    assert found is not None
    change = change_of_variance(found[1], found[0], 0.95)
    assert (change.estimate, change.low, change.high) == pytest.approx((0, 0, 0))


def test_where_cohorts_differ_by_no_more_than_chance_there_is_nothing_to_change() -> None:
    alike = [[errors, errors + 1] for errors in (2, 5, 9, 14, 30)]
    found = variances({"north": alike, "south": alike})
    assert found is not None
    assert found[0].estimate < 0
    assert np.isnan(change_of_variance(found[1], found[0], 0.95).estimate)


def test_a_cohort_of_one_speaker_is_not_counted() -> None:
    assert variances({"north": [[30]], "south": [[10]] * 5}) is None
    with_two = variances({"north": [[30]] * 2, "south": [[10]] * 5})
    with_one_more = variances({"north": [[30]] * 2, "south": [[10]] * 5, "west": [[90]]})
    assert with_two is not None
    assert with_one_more is not None
    assert with_one_more[0].estimate < 0.02


def test_a_cohort_without_words_is_not_counted() -> None:
    assert variances({"north": [[0]] * 3, "south": [[0]] * 5}, words=0) is None


speaker = st.lists(st.integers(0, 60), min_size=2, max_size=2)


@settings(max_examples=50)
@given(st.fixed_dictionaries(dict.fromkeys(COHORTS, st.lists(speaker, min_size=2, max_size=8))))
def test_an_interval_holds_its_estimate_and_nothing_is_below_minus_one(errors: dict[str, list[list[int]]]) -> None:
    found = variances(errors)
    assert found is not None
    change = change_of_variance(found[1], found[0], 0.95)
    assert np.isnan(change.estimate) or -1 <= change.low <= change.estimate <= change.high


@pytest.mark.science
@pytest.mark.parametrize(("size", "effects"), [
    (Size(validate=160, share=0.34, variation=0.9), (-0.1, -0.04)),
    (Size(validate=450, share=0.1, variation=1.0), (-0.2, -0.04)),
    (Size(validate=450, share=0.3, variation=0.8, bottom_wer=0.1), (-0.2, -0.04))])
def test_95_per_cent_intervals_of_the_change_hold_the_truth(size: Size, effects: tuple[float, float]) -> None:
    held = trials = 0
    for trial in range(100):
        rng = np.random.default_rng([7, trial])
        drawn = draw(Scenario(np.array([effects]), (0,)), size, rng)
        found = cohort_variances(SpeakerBootstrap(len(drawn.validate.words_S), 400, rng), drawn.validate.errors_SM,
                                 drawn.validate.words_S, [drawn.validate.bottom_S, ~drawn.validate.bottom_S])
        assert found is not None
        bottom, rest = np.exp(effects)
        truth = ((size.bottom_wer * bottom - 0.06 * rest) / (size.bottom_wer - 0.06)) ** 2 - 1
        change = change_of_variance(found[1], found[0], 0.95)
        if np.isfinite(change.estimate):
            trials += 1
            held += change.low <= truth <= change.high
    print(f"{size}: {held} of {trials} intervals hold the truth")
    assert held / trials > 0.93 - 3 * np.sqrt(0.05 * 0.95 / trials)
