"""Clusters of embeddings whose truth is known."""

import numpy as np
from sklearn.metrics import adjusted_rand_score

from evenvoice.cohorts import find_cohorts
from evenvoice.cohorts.clusters import NearestCentroid
from evenvoice.cohorts.description import Found, NotApplicable
from evenvoice.cohorts.table import CohortTable
from tests.builders.cohorts import cohort_table, discover_settings


def voices(sizes: tuple[int, ...], *, errors: tuple[int, ...], noise: float = 0.1, seed: int = 0):
    """Speakers around one direction per group, in discover and as many in test; with the group of each."""
    rng = np.random.default_rng(seed)
    truth = np.tile(np.repeat(np.arange(len(sizes)), sizes), 2)
    embeddings = np.eye(16)[truth] + rng.normal(0, noise, (len(truth), 16))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    splits = ["discover"] * (len(truth) // 2) + ["test"] * (len(truth) // 2)
    table = cohort_table(splits=splits, errors=[errors[group] for group in truth], words=[60] * len(truth),
                         embeddings=embeddings)
    return table, truth


def clusters(table: CohortTable, **changes) -> Found:
    found = find_cohorts("clusters", table, discover_settings(**changes), seed=5)
    assert isinstance(found, Found)
    return found


def test_planted_groups_are_recovered_on_speakers_that_were_not_fitted():
    table, truth = voices((30, 30, 30, 30), errors=(3, 6, 9, 12))
    test = table.splits == "test"
    assert adjusted_rand_score(truth[test], clusters(table).rule.assign(table)[test]) > 0.9


def test_clear_groups_come_out_stable_and_a_shapeless_cloud_does_not():
    clear, _ = voices((30, 30, 30, 30), errors=(3, 6, 9, 12))
    cloud, _ = voices((120,), errors=(6,), noise=1.0)
    clear_index, cloud_index = (clusters(table).extra["stability"]["adjusted_rand_index_mean"]
                                for table in (clear, cloud))
    assert clear_index > 0.9
    assert cloud_index < 0.5


def test_clusters_are_numbered_from_the_worst_discover_wer():
    table, truth = voices((30, 30, 30, 30), errors=(6, 12, 3, 9))
    labels = clusters(table).rule.assign(table)
    assert [int(labels[truth == group][0]) for group in range(4)] == [2, 0, 3, 1]


def test_there_are_fewer_clusters_when_some_would_be_too_small():
    table, _ = voices((40, 40, 5), errors=(3, 6, 9))
    found = clusters(table, clusters={"cohorts": 3})
    assert len(found.rules) == 2
    assert found.extra["too_small"][0] == {"clusters": 3, "smallest_speakers": 5, "smallest_words": 300}
    assert "3 were asked for" in found.reason


def test_fewer_clusters_are_those_that_k_means_makes_of_as_many():
    table, truth = voices((30, 30, 60), errors=(3, 6, 9))
    table.embeddings[truth == 1] += 0.6 * np.eye(16)[0]  # the first two groups lie closer together
    found = clusters(table, clusters={"cohorts": 3})
    assert sorted(found.coarser) == [2, 3]
    assert adjusted_rand_score(truth == 2, found.coarser[2].assign(table)) > 0.9
    assert adjusted_rand_score(found.rule.assign(table), found.coarser[3].assign(table)) == 1


def test_the_centroids_do_not_move_when_other_speakers_are_placed():
    table, _ = voices((30, 30, 30, 30), errors=(3, 6, 9, 12))
    alone = clusters(table.where(table.splits == "discover")).rule
    together = clusters(table).rule
    assert isinstance(alone, NearestCentroid)
    assert isinstance(together, NearestCentroid)
    assert np.array_equal(alone.centroids, together.centroids)


def test_a_speaker_without_an_embedding_is_left_unplaced():
    table, _ = voices((30, 30, 30, 30), errors=(3, 6, 9, 12))
    table.embeddings[-1] = np.nan
    assert clusters(table).rule.assign(table)[-1] == -1


def test_too_few_discover_speakers_are_told_why_there_are_no_clusters():
    table, _ = voices((10, 10), errors=(3, 6))
    assert find_cohorts("clusters", table, discover_settings(), seed=0) == NotApplicable(
        "20 discover speakers have an embedding, 24 needed for two clusters")
