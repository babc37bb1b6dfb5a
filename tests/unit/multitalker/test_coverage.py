"""How often intervals of latencies are wrong, in a world whose truth is known."""

import os

import numpy as np
import pytest

from evenvoice.multitalker.resampling import TurnBootstrap

TRIALS = int(os.environ.get("EVENVOICE_TRIALS", "80"))
TURNS = 8
SHARES = (0.5, 0.9)
pytestmark = pytest.mark.science


def latencies(speakers: int, rng: np.random.Generator) -> np.ndarray:
    """Skewed, and some speakers slower than others."""
    of_speaker = rng.normal(-1, 0.25, speakers)
    return np.exp(of_speaker[:, None] + rng.normal(0, 0.5, (speakers, TURNS))).ravel()


def held(speakers: int, trials: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each of the SHARES, how often Student's and the percentile interval hold the truth."""
    truth = np.quantile(latencies(100_000, np.random.default_rng(0)), SHARES)
    student, percentile = np.zeros(len(SHARES)), np.zeros(len(SHARES))
    for trial in range(trials):
        rng = np.random.default_rng([1, speakers, trial])
        found = TurnBootstrap(speakers, 500, rng).quantiles(
            latencies(speakers, rng), np.repeat(np.arange(speakers), TURNS), np.ones(speakers, dtype=bool), SHARES)
        for place, (quantile, true) in enumerate(zip(found, truth, strict=True)):
            bounds = quantile.interval(0.95)
            low, high = np.quantile(quantile.replicates, [0.025, 0.975])
            student[place] += bounds.low <= true <= bounds.high
            percentile[place] += low <= true <= high
    print(f"coverage at {speakers} speakers: {student / trials}, percentile interval {percentile / trials}")
    return student / trials, percentile / trials


@pytest.mark.parametrize("speakers", [20, 40, 100])
def test_95_per_cent_intervals_of_latencies_hold_the_truth(speakers: int) -> None:
    student, _ = held(speakers, TRIALS)
    assert (student > 0.9 - 3 * np.sqrt(0.1 * 0.9 / TRIALS)).all()


def test_percentile_intervals_of_ten_speakers_hold_it_less_often() -> None:
    student, percentile = held(10, TRIALS)
    assert (student >= percentile).all()
    assert student.sum() > percentile.sum()
