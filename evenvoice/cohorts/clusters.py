"""Cohorts without labels: k-means in speaker embeddings (arXiv 2207.11345), clusters joined where errors do not differ.

Clusters know nothing of errors, so the largest differences of voices lead them, and few clusters may all cut across the
voices that are served worse. Hence many of them, and as many cohorts as differ beyond chance (joining.py). [design]

Of more than :data:`MOST_FITTED` speakers as many are drawn for k-means to be fitted on: each centroid is a mean of
hundreds of them by then. All are placed, and all have a say in what is joined. [design]

Shapes: S speakers, D embedding width, C clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from evenvoice.cohorts.description import MOST_COARSE, Found, Given, Method, NotApplicable
from evenvoice.cohorts.joining import Clustered, ConsideredPart, JoiningSettings, Part, cohorts_after, parted
from evenvoice.cohorts.table import CohortTable, Floats
from evenvoice.params import Discover

MOST_FITTED: Final = 10_000
"""Speakers that k-means is fitted on at most."""
PLACED_AT_ONCE: Final = 16_384
"""Speakers whose distances are computed together: bounds the working memory to some 25 MB at 64 dimensions."""


@dataclass(frozen=True, kw_only=True)
class NearestCentroid:
    """A frozen rule: each speaker belongs to the cohort (C,) of the nearest of ``centroids`` (C, D)."""

    centroids: Floats = field(repr=False)
    cohort_of: tuple[int, ...]

    def assign(self, table: CohortTable) -> NDArray[np.intp]:
        """Cohort (S,) of each speaker, -1 for one without an embedding."""
        cluster_S = nearest(table.embeddings, self.centroids)
        return np.where(cluster_S < 0, -1, np.array(self.cohort_of, dtype=np.intp)[cluster_S])


def find_clusters(given: Given, settings: Discover, rng: np.random.Generator) -> Found | NotApplicable:
    """Cluster the discover speakers, and join what chance tells apart as well, or validate speakers do not confirm."""
    discover = given.discover.where(_embedded(given.discover))
    needed = 2 * settings.min_speakers
    if len(discover) < needed:
        return NotApplicable(f"{len(discover)} discover speakers have an embedding, {needed} needed for two clusters")
    own = settings.clusters
    clusters = min(own.clusters, len(discover) // settings.min_speakers)
    fitted_SD = discover.embeddings[_drawn(len(discover), rng)]
    centroids_CD = _k_means(fitted_SD, clusters, own.restarts, int(rng.integers(2**31)))
    heard = Clustered.of(discover, nearest(discover.embeddings, centroids_CD))
    considered = parted(
        clusters=clusters, discover=heard, validate=Clustered.of(given.validate, nearest(given.validate.embeddings,
                                                                                         centroids_CD)), rng=rng,
        settings=JoiningSettings(max_cohorts=own.max_cohorts, permutations=own.permutations,
                                 significance=own.significance, min_speakers=settings.min_speakers,
                                 min_words=settings.min_words))
    kept = sum(item.kept for item in considered)
    parts = _worst_first(heard, cohorts_after(clusters, considered, kept + 1))
    coarser = {cohorts: _rule(centroids_CD, cohorts_after(clusters, considered, cohorts))
               for cohorts in range(2, min(len(parts), MOST_COARSE) + 1)}
    return Found(
        rule=_rule(centroids_CD, parts), prefix="cluster", coarser=coarser,
        reason=_reason(clusters, len(parts), considered, own.significance),
        rules=tuple(_in_words(part, clusters) for part in parts),
        extra={"splits": [asdict(item) for item in considered],
               "stability": _stability(fitted_SD, nearest(fitted_SD, centroids_CD), own.restarts, own.stability_runs,
                                       rng)})


def _drawn(speakers: int, rng: np.random.Generator) -> NDArray[np.intp] | slice:
    """Speakers to fit on: all, or as many as that takes, in their order; nothing is drawn where all are taken."""
    if speakers <= MOST_FITTED:
        return slice(None)
    return np.sort(rng.choice(speakers, MOST_FITTED, replace=False))


def _embedded(table: CohortTable) -> NDArray[np.bool_]:
    known_S: NDArray[np.bool_] = ~np.isnan(table.embeddings).any(axis=1) & (table.embeddings.shape[1] > 0)
    return known_S


def _worst_first(heard: Clustered, parts: Sequence[Part]) -> list[Part]:
    return sorted(parts, key=heard.wer, reverse=True)


def _rule(centroids_CD: Floats, parts: Sequence[Part]) -> NearestCentroid:
    cohort_of = {cluster: cohort for cohort, part in enumerate(parts) for cluster in part}
    return NearestCentroid(centroids=centroids_CD, cohort_of=tuple(cohort_of[cluster]
                                                                   for cluster in range(len(centroids_CD))))


def _reason(clusters: int, cohorts: int, considered: Sequence[ConsideredPart], significance: float) -> str:
    if cohorts == 1 and any(item.p_value <= significance for item in considered):
        return f"no split of {clusters} clusters of voices survives: {considered[0].why}"
    if cohorts == 1:
        return f"nothing but chance tells {clusters} clusters of voices apart"
    return (f"{cohorts} cohorts of {clusters} clusters of voices, which chance does not explain and validate speakers "
            "confirm")


def _in_words(part: Part, clusters: int) -> str:
    if len(part) == clusters:
        return "everyone"
    numbers = [str(cluster + 1) for cluster in part]
    told = numbers[0] if len(numbers) == 1 else f"{', '.join(numbers[:-1])} or {numbers[-1]}"
    return f"nearest of {clusters} frozen centroids of speaker embeddings: number {told}"


def nearest(embeddings_SD: Floats, centroids_CD: Floats) -> NDArray[np.intp]:
    """Index (S,) of the nearest centroid by Euclidean distance, -1 for a row that is not a number."""
    nearest_S = np.empty(len(embeddings_SD), dtype=np.intp)
    for start in range(0, len(embeddings_SD), PLACED_AT_ONCE):
        rows = slice(start, start + PLACED_AT_ONCE)
        nearest_S[rows] = _nearest(embeddings_SD[rows], centroids_CD)
    return nearest_S


def _nearest(embeddings_SD: Floats, centroids_CD: Floats) -> NDArray[np.intp]:
    # |x - c|^2 = |x|^2 - 2 x.c + |c|^2, and |x|^2 is the same for every centroid
    distances_SC = (centroids_CD**2).sum(axis=1) - 2 * np.nan_to_num(embeddings_SD) @ centroids_CD.T
    return np.where(np.isnan(embeddings_SD).any(axis=1), -1, distances_SC.argmin(axis=1))


def _k_means(embeddings_SD: Floats, clusters: int, restarts: int, seed: int) -> Floats:
    from sklearn.cluster import KMeans  # here, since importing it takes a second that the trees need not wait

    # a step takes milliseconds: threads would wait for each other longer than they work, all the more on a machine that
    # does other work, and sums would come out in another order on another number of cores
    with threadpool_limits(1):
        fitted = KMeans(n_clusters=clusters, n_init=restarts, random_state=seed).fit(embeddings_SD)
    return np.asarray(fitted.cluster_centers_, dtype=np.float64)


def _stability(embeddings_SD: Floats, cluster_S: NDArray[np.intp], restarts: int, runs: int,
               rng: np.random.Generator) -> dict[str, Any]:
    """Adjusted Rand index between the clusters and those of refits on resampled speakers; 1 is the same, 0 chance."""
    from sklearn.metrics import adjusted_rand_score

    indices, clusters = [], int(cluster_S.max()) + 1
    for _ in range(runs):
        drawn_S = rng.integers(len(embeddings_SD), size=len(embeddings_SD))
        refitted_CD = _k_means(embeddings_SD[drawn_S], clusters, restarts, int(rng.integers(2**31)))
        indices.append(float(adjusted_rand_score(cluster_S, nearest(embeddings_SD, refitted_CD))))
    return {"adjusted_rand_index_mean": float(np.mean(indices)), "adjusted_rand_index_min": min(indices), "runs": runs}


METHOD = Method(title="Speaker-embedding clusters", goes_by="voices", find=find_clusters)
