"""What others do with the same tables, each in a process of its own.

    python -m benchmarks.million.peers NAME SPEAKERS LIMIT_S RESULT

Work that is repeated (shufflings, restarts, replicates) is tried a few times first. Where all of it would take longer
than the limit, fewer are run, and the result says how many.

Shapes: S speakers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.million.measured import measured
from benchmarks.million.steps import settings
from benchmarks.million.world import VALUES, World, drawn
from evenvoice.metrics.bootstrap import SpeakerBootstrap, wer_interval
from evenvoice.storage import write_json

FAIRLEARN_SPEAKERS: Final = 10_000
FAIRLEARN_REPLICATES: Final = 10_000
CELLS_AT_ONCE: Final = 20_000_000
"""Draws that scipy makes together."""
OURS: Final = "evenvoice SpeakerBootstrap"
"""Stands among the peers, at the size of that which resamples table by table."""
LEAVES: Final = 8
SEED: Final = 1


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Something that does a part of what we do.

    Attributes:
        beside: our step.
        repeats: what is repeated, and how often it has to be.
        first: repetitions of the trial that says how long all would take.
        prepare: from a world to the work, for so many repetitions.
        speakers: fixed where it is not that of the world.
    """

    beside: str
    repeats: str
    wanted: int
    first: int
    prepare: Callable[[World], Callable[[int], object]]
    speakers: int | None = None


def peers() -> dict[str, Peer]:
    """By name."""
    own = settings()
    clusters, replicates = own.discover.clusters, own.evaluate.replicates
    return {
        "scikit-learn DecisionTreeRegressor": Peer(beside="tree", repeats="trees", wanted=1, first=1, prepare=_tree),
        "scikit-learn DecisionTreeRegressor, shuffled": Peer(
            beside="tree", repeats="shufflings", wanted=own.discover.geographic.permutations, first=2,
            prepare=_shuffled_trees),
        "scikit-learn KMeans": Peer(beside="clusters", repeats="restarts", wanted=clusters.restarts, first=1,
                                    prepare=lambda world: _k_means(world, "KMeans", clusters.clusters)),
        "scikit-learn MiniBatchKMeans": Peer(
            beside="clusters", repeats="restarts", wanted=clusters.restarts, first=1,
            prepare=lambda world: _k_means(world, "MiniBatchKMeans", clusters.clusters)),
        "scipy.stats.bootstrap": Peer(beside="bootstrap", repeats="replicates", wanted=replicates, first=20,
                                      prepare=_scipy),
        "fairlearn MetricFrame": Peer(
            beside=OURS, repeats="replicates", wanted=FAIRLEARN_REPLICATES, first=50, prepare=_fairlearn,
            speakers=FAIRLEARN_SPEAKERS),
        OURS: Peer(beside=OURS, repeats="replicates", wanted=FAIRLEARN_REPLICATES, first=50, prepare=_ours,
                   speakers=FAIRLEARN_SPEAKERS)}


def run(name: str, speakers: int, limit_s: float) -> dict[str, Any]:
    """What a peer took, and for what."""
    peer = peers()[name]
    work = peer.prepare(drawn(peer.speakers or speakers))
    _, trial = measured(lambda: work(peer.first))
    count = max(peer.first, min(peer.wanted, int(limit_s / trial.wall_s * peer.first)))
    _, cost = measured(lambda: work(count))  # again, also where it is no more: the first time warms up
    return {"peer": name, "beside": peer.beside, "speakers": peer.speakers or speakers, "repeats": peer.repeats,
            "count": count, "wanted": peer.wanted, **asdict(cost)}


def _tree(world: World) -> Callable[[int], object]:
    """One tree by error rate, weighted by words, under the same criterion as ours; no test, no pruning."""
    places_S2, rates_S, words_S = _discovered(world)
    tree = _regressor(LEAVES)
    return lambda _count: tree.fit(places_S2, rates_S, sample_weight=words_S)


def _shuffled_trees(world: World) -> Callable[[int], object]:
    """The tree, and the best first cut of as many worlds whose speakers are shuffled: what a test of its root takes."""
    places_S2, rates_S, words_S = _discovered(world)
    tree, cut = _regressor(LEAVES), _regressor(2)

    def work(count: int) -> None:
        rng = np.random.default_rng(SEED)
        tree.fit(places_S2, rates_S, sample_weight=words_S)
        for _ in range(count):
            order_S = rng.permutation(len(words_S))
            cut.fit(places_S2, rates_S[order_S], sample_weight=words_S[order_S])

    return work


def _regressor(leaves: int) -> Any:
    from sklearn.tree import DecisionTreeRegressor

    return DecisionTreeRegressor(criterion="poisson", max_leaf_nodes=leaves, random_state=SEED,
                                 min_samples_leaf=settings().discover.min_speakers)


def _discovered(world: World) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Places (S, 2), error rates (S,) and words (S,) of discover speakers."""
    here_S = world.split == "discover"
    words_S = world.words[here_S].sum(axis=1)
    return np.column_stack([world.lat, world.lon])[here_S], world.errors[here_S].sum(axis=1) / words_S, words_S


def _k_means(world: World, kind: str, clusters: int) -> Callable[[int], object]:
    """One fit of all discover speakers; no stability, no test."""
    from sklearn import cluster

    voices_SD = world.voices[world.split == "discover"].astype(np.float64)
    return lambda count: getattr(cluster, kind)(n_clusters=clusters, n_init=count, random_state=SEED).fit(voices_SD)


def _scipy(world: World) -> Callable[[int], object]:
    """The percentile interval of everyone's pooled WER; one group, one model."""
    from scipy.stats import bootstrap

    here_S = world.split == "test"
    errors_S, words_S = world.errors[here_S].sum(axis=1), world.words[here_S].sum(axis=1)

    def wer(errors: NDArray[Any], words: NDArray[Any], axis: int) -> NDArray[Any]:
        return np.asarray(errors.sum(axis=axis) / words.sum(axis=axis))

    return lambda count: bootstrap((errors_S, words_S), wer, paired=True, vectorized=True, n_resamples=count,
                                   batch=max(1, CELLS_AT_ONCE // len(words_S)), method="percentile",
                                   rng=np.random.default_rng(SEED))


def _fairlearn(world: World) -> Callable[[int], object]:
    """Percentile intervals of the pooled WER of each accent: rows are resampled one table at a time.

    A row is a speaker here, so speakers are resampled; given recordings, it would resample recordings.
    """
    from fairlearn.metrics import MetricFrame

    accents = np.array([value or "unknown" for value in VALUES["accent"]])[world.of["accent"]]
    return lambda count: MetricFrame(metrics=_pooled, y_true=world.words.sum(axis=1), y_pred=world.errors.sum(axis=1),
                                     sensitive_features=accents, n_boot=count, ci_quantiles=[0.025, 0.975],
                                     random_state=SEED)


def _pooled(words: Any, errors: Any) -> float:
    return float(np.sum(errors) / np.sum(words))


def _ours(world: World) -> Callable[[int], object]:
    """Intervals of the same accents and of everyone, which can be compared replicate by replicate."""
    errors_S, words_S = world.errors.sum(axis=1), world.words.sum(axis=1)
    groups = [np.ones(len(words_S), dtype=bool),
              *(world.of["accent"] == place for place in range(len(VALUES["accent"])))]

    def work(count: int) -> object:
        resampled = SpeakerBootstrap(len(words_S), count, np.random.default_rng(SEED))
        return [wer_interval(of_group[0], errors=float(errors_S[members_S].sum()), confidence=0.95)
                for of_group, members_S in zip(resampled.log_wers(errors_S[:, None], words_S, groups), groups,
                                               strict=True)]

    return work


if __name__ == "__main__":
    write_json(Path(sys.argv[4]), run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
