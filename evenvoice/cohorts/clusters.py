"""Cohorts without labels: k-means in speaker embeddings, centroids frozen on discover speakers (arXiv 2207.11345).

Shapes: S speakers, D embedding width, K clusters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenvoice.cohorts.description import MOST_COARSE, Found, Method, NotApplicable
from evenvoice.cohorts.table import CohortTable, Floats, word_error_rate
from evenvoice.params import Discover


@dataclass(frozen=True, kw_only=True)
class NearestCentroid:
    """A frozen rule: each speaker belongs to the nearest of ``centroids`` (K, D), worst discover WER first."""

    centroids: Floats = field(repr=False)

    def assign(self, table: CohortTable) -> NDArray[np.intp]:
        """Cluster (S,) of each speaker, -1 for one without an embedding."""
        return nearest(table.embeddings, self.centroids)


def find_clusters(discover: CohortTable, _validate: CohortTable, settings: Discover,
                  rng: np.random.Generator) -> Found | NotApplicable:
    """Cluster the discover speakers; with fewer clusters than asked for where some would be too small.

    Nothing is pruned on validate speakers: errors have no say in where the clusters lie.
    """
    embedded = discover.where(~np.isnan(discover.embeddings).any(axis=1) & (discover.embeddings.shape[1] > 0))
    needed = 2 * settings.min_speakers
    if len(embedded) < needed:
        return NotApplicable(f"{len(embedded)} discover speakers have an embedding, {needed} needed for two clusters")
    own = settings.clusters
    seed = int(rng.integers(2**31))
    too_small: list[dict[str, Any]] = []
    for k in range(own.cohorts, 0, -1):
        centroids_KD, labels_S, sizes_K, words_K = _clustered(embedded, k, own.restarts, seed)
        if k == 1 or (sizes_K.min() >= settings.min_speakers and words_K.min() >= settings.min_words):
            break
        too_small.append({"clusters": k, "smallest_speakers": int(sizes_K.min()), "smallest_words": int(words_K.min())})
    stability = _stability(embedded.embeddings, labels_S, k, own.restarts, own.stability_runs, rng)
    reason = f"{k} clusters of {len(embedded)} discover speakers" if k > 1 else "no two clusters are large enough"
    if too_small:
        reason += f"; {own.cohorts} were asked for, some would be under {settings.min_speakers} speakers or " \
                  f"{settings.min_words} words"
    return Found(rule=NearestCentroid(centroids=centroids_KD[_worst_first(embedded, labels_S, k)]),
                 prefix="cluster", reason=reason, coarser=_coarser(embedded, k, settings, seed),
                 rules=tuple(f"nearest of {k} frozen centroids of speaker embeddings: number {number}"
                             for number in range(1, k + 1)) if k > 1 else ("everyone",),
                 extra={"stability": stability, "too_small": too_small})


def _clustered(table: CohortTable, k: int, restarts: int, seed: int,
               ) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp], NDArray[Any]]:
    """Centroids (K, D), the cluster of each speaker (S,), and speakers and words of each cluster (K,)."""
    centroids_KD = _k_means(table.embeddings, k, restarts, seed)
    labels_S = nearest(table.embeddings, centroids_KD)
    return centroids_KD, labels_S, np.bincount(labels_S, minlength=k), np.bincount(labels_S, table.words, minlength=k)


def _coarser(table: CohortTable, cohorts: int, settings: Discover, seed: int) -> dict[int, NearestCentroid]:
    """Clusters of 2, 3, ... as k-means makes them, those left out of which one would be too small."""
    coarser = {}
    for k in range(2, min(cohorts, MOST_COARSE) + 1):
        centroids_KD, _, sizes_K, words_K = _clustered(table, k, settings.clusters.restarts, seed)
        if sizes_K.min() >= settings.min_speakers and words_K.min() >= settings.min_words:
            coarser[k] = NearestCentroid(centroids=centroids_KD)
    return coarser


def nearest(embeddings_SD: Floats, centroids_KD: Floats) -> NDArray[np.intp]:
    """Index (S,) of the nearest centroid by Euclidean distance, -1 for a row that is not a number."""
    # |x - c|^2 = |x|^2 - 2 x.c + |c|^2, and |x|^2 is the same for every centroid
    distances_SK = (centroids_KD**2).sum(axis=1) - 2 * np.nan_to_num(embeddings_SD) @ centroids_KD.T
    return np.where(np.isnan(embeddings_SD).any(axis=1), -1, distances_SK.argmin(axis=1))


def _k_means(embeddings_SD: Floats, k: int, restarts: int, seed: int) -> Floats:
    from sklearn.cluster import KMeans  # here, since importing it takes a second that the trees need not wait

    fitted = KMeans(n_clusters=k, n_init=restarts, random_state=seed).fit(embeddings_SD)
    return np.asarray(fitted.cluster_centers_, dtype=np.float64)


def _worst_first(table: CohortTable, labels_S: NDArray[np.intp], k: int) -> list[int]:
    return sorted(range(k), key=lambda number: -word_error_rate(
        table.errors[labels_S == number], table.words[labels_S == number]))


def _stability(embeddings_SD: Floats, labels_S: NDArray[np.intp], k: int, restarts: int, runs: int,
               rng: np.random.Generator) -> dict[str, Any]:
    """Adjusted Rand index between the clusters and those of refits on resampled speakers; 1 is the same, 0 chance."""
    from sklearn.metrics import adjusted_rand_score

    indices = []
    for _ in range(runs):
        drawn_S = rng.integers(len(embeddings_SD), size=len(embeddings_SD))
        refitted_KD = _k_means(embeddings_SD[drawn_S], k, restarts, int(rng.integers(2**31)))
        indices.append(float(adjusted_rand_score(labels_S, nearest(embeddings_SD, refitted_KD))))
    return {"adjusted_rand_index_mean": float(np.mean(indices)), "adjusted_rand_index_min": min(indices), "runs": runs}


METHOD = Method(title="Speaker-embedding clusters", find=find_clusters)
