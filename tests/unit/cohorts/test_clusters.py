"""Clusters of embeddings whose truth is known, and what is joined of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from evenvoice.cohorts import clusters as method
from evenvoice.cohorts import find_cohorts
from evenvoice.cohorts.clusters import NearestCentroid, nearest
from evenvoice.cohorts.description import Found, NotApplicable
from evenvoice.cohorts.table import CohortTable
from evenvoice.params import METHODS
from tests.builders.cohorts import cohort_table, discover_settings

SPLITS = ("discover", "validate", "test")


def voices(sizes: tuple[int, ...], *, errors: tuple[int, ...], noise: float = 0.1, seed: int = 0,
           validate_errors: tuple[int, ...] | None = None):
    """Speakers around one direction per group, as many in every split, whose errors scatter; the group of each."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    truth = np.tile(groups, len(SPLITS))
    embeddings = np.eye(16)[truth] + rng.normal(0, noise, (len(truth), 16))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    means = np.concatenate([np.array(errors), np.array(validate_errors or errors), np.array(errors)])
    means_S = means[truth + np.repeat(np.arange(len(SPLITS)), len(groups)) * len(sizes)]
    table = cohort_table(splits=np.repeat(SPLITS, len(groups)).tolist(), words=[60] * len(truth),
                         errors=rng.poisson(means_S * rng.gamma(4, 1 / 4, len(truth))).tolist(), embeddings=embeddings)
    return table, truth


def clusters(table: CohortTable, **changes) -> Found:
    found = find_cohorts("clusters", table, discover_settings(**changes), seed=5)
    assert isinstance(found, Found)
    return found


def test_planted_groups_are_recovered_on_speakers_that_were_not_fitted():
    table, truth = voices((30, 30, 30, 30), errors=(1, 4, 10, 24))
    test = table.splits == "test"
    assert adjusted_rand_score(truth[test], clusters(table).rule.assign(table)[test]) > 0.9


def test_clusters_that_are_served_alike_are_one_cohort():
    table, truth = voices((30, 30, 30, 30), errors=(4, 12, 4, 4))
    found = clusters(table)
    assert found.rule.assign(table).tolist() == np.where(truth == 1, 0, 1).tolist()
    assert [rule.partition("number ")[2].count(",") for rule in found.rules] == [0, 1]
    assert found.reason == ("2 cohorts of 4 clusters of voices, which chance does not explain and validate speakers "
                            "confirm")


def test_a_small_harm_across_the_largest_difference_of_voices_is_found():
    table, _ = voices((60, 60), errors=(4, 4))
    harmed = np.arange(len(table)) % 4 == 0  # in both groups alike
    table.embeddings[harmed] += 0.5 * np.eye(16)[5]
    table.errors[harmed] *= 4
    found = clusters(table, clusters={"clusters": 8})
    worst = found.rule.assign(table) == 0
    assert harmed[worst].mean() > 0.9
    assert worst[harmed].mean() > 0.9


@pytest.mark.parametrize("seed", range(3))
def test_where_nobody_is_worse_off_everyone_is_one_cohort(seed):
    table, _ = voices((30, 30, 30, 30), errors=(6, 6, 6, 6), seed=seed)
    found = clusters(table)
    assert found.rules == ("everyone",)
    assert found.reason == "nothing but chance tells 4 clusters of voices apart"
    assert set(found.rule.assign(table).tolist()) == {0}
    assert not found.coarser


def test_what_validate_speakers_do_not_show_is_not_parted():
    table, _ = voices((30, 30, 30, 30), errors=(4, 12, 4, 4), validate_errors=(6, 3, 6, 6))
    found = clusters(table)
    assert found.rules == ("everyone",)
    assert found.reason.startswith("no split of 4 clusters of voices survives: WER differs by +")
    assert "on discover but -" in found.reason


def test_with_a_significance_of_1_only_validate_speakers_have_a_say():
    table, _ = voices((30, 30, 30, 30), errors=(6, 6, 6, 6), validate_errors=(6, 6, 6, 6))
    asked = [clusters(table, clusters={"significance": significance}).extra["splits"][0]["why"]
             for significance in (0.05, 1.0)]
    assert "chance alone" in asked[0]
    assert "validate speakers" in asked[1]


def test_cohorts_are_no_more_than_asked_for_and_the_largest_difference_comes_first():
    table, truth = voices((30, 30, 30, 30), errors=(2, 4, 10, 30))
    found = clusters(table, clusters={"max_cohorts": 2})
    assert adjusted_rand_score(truth == 3, found.rule.assign(table)) > 0.9


def test_fewer_cohorts_are_those_before_the_last_were_parted():
    table, truth = voices((30, 30, 30), errors=(1, 4, 24))
    found = clusters(table, clusters={"clusters": 3})
    assert sorted(found.coarser) == [2, 3]
    assert adjusted_rand_score(truth == 2, found.coarser[2].assign(table)) > 0.9
    assert adjusted_rand_score(found.rule.assign(table), found.coarser[3].assign(table)) == 1


def test_cohorts_are_numbered_from_the_worst_discover_wer():
    table, truth = voices((30, 30, 30, 30), errors=(4, 24, 1, 10))
    labels = clusters(table).rule.assign(table)
    assert [int(labels[truth == group][0]) for group in range(4)] == [2, 0, 3, 1]


def test_no_cohort_is_smaller_than_asked_for():
    table, _ = voices((40, 40, 5), errors=(4, 4, 30))
    assert clusters(table, clusters={"clusters": 3}).rules == ("everyone",)
    assert len(clusters(table, clusters={"clusters": 3}, min_speakers=5).rules) == 2


def test_clear_groups_come_out_stable_and_a_shapeless_cloud_does_not():
    clear, _ = voices((30, 30, 30, 30), errors=(3, 6, 9, 12))
    cloud, _ = voices((120,), errors=(6,), noise=1.0)
    clear_index, cloud_index = (clusters(table).extra["stability"]["adjusted_rand_index_mean"]
                                for table in (clear, cloud))
    assert clear_index > 0.9
    assert cloud_index < 0.5


def test_the_centroids_do_not_move_when_test_speakers_are_placed():
    table, _ = voices((30, 30, 30, 30), errors=(3, 6, 9, 12))
    alone, together = clusters(table.where(table.splits != "test")).rule, clusters(table).rule
    assert isinstance(alone, NearestCentroid)
    assert isinstance(together, NearestCentroid)
    assert np.array_equal(alone.centroids, together.centroids)
    assert alone.cohort_of == together.cohort_of


def test_a_speaker_without_an_embedding_is_left_unplaced():
    table, _ = voices((30, 30, 30, 30), errors=(3, 6, 9, 12))
    table.embeddings[-1] = np.nan
    assert clusters(table).rule.assign(table)[-1] == -1


def test_too_few_discover_speakers_are_told_why_there_are_no_clusters():
    table, _ = voices((10, 10), errors=(3, 6))
    assert find_cohorts("clusters", table, discover_settings(), seed=0) == NotApplicable(
        "20 discover speakers have an embedding, 24 needed for two clusters")


def test_the_centroids_are_those_of_plain_k_means_on_everyone():
    table, _ = voices((30, 30, 30, 30), errors=(3, 6, 9, 12))
    fitted = table.embeddings[table.splits == "discover"]
    seed = int(np.random.default_rng([5, 0x0C04, METHODS.index("clusters")]).integers(2**31))
    with threadpool_limits(1):
        plain = KMeans(n_clusters=4, n_init=10, random_state=seed).fit(fitted)
    rule = clusters(table).rule
    assert isinstance(rule, NearestCentroid)
    assert np.array_equal(rule.centroids, plain.cluster_centers_)


def test_the_number_of_threads_moves_no_centroid():
    table, _ = voices((200, 200, 200, 200), errors=(3, 6, 9, 12), noise=1.0)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(clusters(table))
    assert np.array_equal(found[0].rule.centroids, found[1].rule.centroids)
    assert found[0].extra == found[1].extra


def test_of_many_speakers_some_are_fitted_on_and_all_are_placed(monkeypatch):
    monkeypatch.setattr(method, "MOST_FITTED", 60)
    table, truth = voices((30, 30, 30, 30), errors=(4, 24, 1, 10))
    fitted = []
    fit = method._k_means
    monkeypatch.setattr(method, "_k_means", lambda embeddings, *rest: fitted.append(len(embeddings)) or fit(
        embeddings, *rest))
    found = clusters(table)
    assert fitted == [60] * (1 + 5)
    assert [int(found.rule.assign(table)[truth == group][0]) for group in range(4)] == [2, 0, 3, 1]
    assert found.extra["stability"]["adjusted_rand_index_mean"] > 0.9


def test_where_the_speakers_are_few_nothing_is_drawn():
    rng = np.random.default_rng(0)
    assert np.arange(7)[method._drawn(7, rng)].tolist() == list(range(7))
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state


@pytest.mark.parametrize("at_once", [1, 7, 50, 1000])
def test_speakers_are_placed_alike_however_many_at_once(monkeypatch, at_once):
    rng = np.random.default_rng(3)
    embeddings, centroids = rng.normal(size=(50, 8)), rng.normal(size=(5, 8))
    embeddings[[3, 49]] = np.nan
    plain = np.linalg.norm(embeddings[:, None] - centroids, axis=2).argmin(axis=1)
    plain[[3, 49]] = -1
    monkeypatch.setattr(method, "PLACED_AT_ONCE", at_once)
    assert nearest(embeddings, centroids).tolist() == plain.tolist()
