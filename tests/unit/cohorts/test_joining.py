"""No way of parting clusters in two is better than a cut of their order by WER, and chance has the same freedom."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from evenvoice.cohorts.joining import NOT_CUT, Clustered, JoiningSettings, _best_cut, cohorts_after, parted
from evenvoice.cohorts.permutation import log_likelihood

SETTINGS = JoiningSettings(max_cohorts=4, permutations=99, significance=0.05, min_speakers=1, min_words=1)


def speakers(rates: tuple[float, ...], *, each: int = 12, seed: int = 0) -> Clustered:
    rng = np.random.default_rng(seed)
    cluster_S = np.repeat(np.arange(len(rates)), each)
    words_S = rng.integers(20, 80, len(cluster_S))
    errors_S = rng.poisson(np.array(rates)[cluster_S] * words_S * rng.gamma(3, 1 / 3, len(cluster_S)))
    return Clustered(errors_S=errors_S, words_S=words_S, cluster_S=cluster_S)


def gain(heard: Clustered, worse: tuple[int, ...], better: tuple[int, ...]) -> float:
    sides = [heard.within(side) for side in (worse, better)]
    errors = np.array([side.errors_S.sum() for side in sides], dtype=float)
    words = np.array([side.words_S.sum() for side in sides], dtype=float)
    return float(log_likelihood(errors, words).sum() - log_likelihood(errors.sum(keepdims=True),
                                                                      words.sum(keepdims=True))[0])


@pytest.mark.parametrize("seed", range(5))
def test_no_other_way_of_parting_has_a_larger_gain(seed: int) -> None:
    heard = speakers((0.1, 0.12, 0.08, 0.2, 0.15, 0.1), each=4, seed=seed)
    everyone = tuple(range(6))
    found, worse = _best_cut(heard, everyone, SETTINGS)
    ways = [chosen for size in range(1, 6) for chosen in combinations(everyone, size)]
    best = max(gain(heard, chosen, tuple(sorted(set(everyone) - set(chosen)))) for chosen in ways)
    assert found == pytest.approx(best)
    assert gain(heard, worse, tuple(sorted(set(everyone) - set(worse)))) == pytest.approx(best)


def test_false_alarms_are_as_many_as_the_significance_allows() -> None:
    """100 worlds in which nobody is worse off, discovery alone: 5 are expected, and validate speakers spare half."""
    alarms = 0
    for seed in range(100):
        considered = parted(clusters=8, discover=speakers((0.1,) * 8, seed=seed),
                            validate=speakers((0.1,) * 8, seed=1000 + seed), settings=SETTINGS,
                            rng=np.random.default_rng(seed))
        alarms += considered[0].kept
    assert alarms <= 7


def test_parts_are_those_before_and_after_each_split() -> None:
    heard = speakers((0.02, 0.1, 0.3, 0.1), each=40)
    considered = parted(clusters=4, discover=heard, validate=speakers((0.02, 0.1, 0.3, 0.1), each=40, seed=1),
                        settings=SETTINGS, rng=np.random.default_rng(0))
    assert [sorted(cohorts_after(4, considered, cohorts)) for cohorts in (1, 2, 3)] == [
        [(0, 1, 2, 3)], [(0, 1, 3), (2,)], [(0,), (1, 3), (2,)]]


def test_few_validate_speakers_confirm_nothing() -> None:
    heard = speakers((0.02, 0.3), each=40)
    [item] = parted(clusters=2, discover=heard, validate=speakers((0.02, 0.3), each=2), settings=SETTINGS,
                    rng=np.random.default_rng(0))
    assert (item.kept, item.why) == (False, "2 validate speakers on its smaller side, 3 needed")


def test_nobody_and_one_cluster_are_not_parted() -> None:
    empty = np.array([], dtype=np.int64)
    nobody = Clustered(errors_S=empty, words_S=empty, cluster_S=empty)
    assert _best_cut(nobody, (0, 1), SETTINGS) == (NOT_CUT, ())
    assert parted(clusters=1, discover=speakers((0.1,)), validate=nobody, settings=SETTINGS,
                  rng=np.random.default_rng(0)) == []
