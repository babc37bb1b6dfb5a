"""Methods at equal numbers of cohorts."""

import numpy as np
import pytest

from evenvoice.errors import ArtifactError
from evenvoice.metrics.equal_counts import equal_counts
from tests.builders.tables import Made, made_split, write_coarser

COHORTS = {"a": Made(30, 0.3), "b": Made(30, 0.15), "c": Made(60, 0.1)}


def measured(tmp_path, counts, cohorts=COHORTS, gone=()):
    table = made_split(cohorts)
    labels = table.cohorts["geographic"]
    rows = [("test", speaker, None if label in gone else label)
            for speaker, label in zip(table.speakers, labels, strict=True)]
    write_coarser(tmp_path, counts, rows)
    return list(equal_counts(table, "base", "geographic", tmp_path / "coarser.parquet", 200, np.random.default_rng(0)))


def test_each_number_of_cohorts_has_its_spread_beside_that_of_chance(tmp_path):
    two, three = measured(tmp_path, [["a", "b"], ["a", "b", "c"]])
    assert (two["cohorts"], two["smallest"], three["cohorts"], three["smallest"]) == (2, 30, 3, 30)
    assert three["spread"] == pytest.approx(2.0)
    assert two["spread"] == pytest.approx((0.3 - 0.35 / 3) / (0.35 / 3))
    assert all(row["null_spread"] < row["null_spread_high"] < row["spread"] for row in (two, three))


def test_speakers_without_a_cohort_count_neither_here_nor_in_the_chance(tmp_path):
    [row] = measured(tmp_path, [["a", "b"]], gone=("c",))
    assert row["unplaced"] == 60
    assert row["spread"] == pytest.approx(1.0)


def test_a_number_of_which_a_cohort_has_nobody_here_is_left_out(tmp_path):
    assert measured(tmp_path, [["nobody", "a", "b", "c"]]) == []


def test_a_method_that_found_nothing_has_no_rows(tmp_path):
    assert measured(tmp_path, []) == []


def test_a_speaker_that_discovery_did_not_know_is_refused(tmp_path):
    write_coarser(tmp_path, [["a", "b"]], [("test", "stranger", "a")])
    with pytest.raises(ArtifactError, match="nothing about s00000 of test"):
        list(equal_counts(made_split(COHORTS), "base", "geographic", tmp_path / "coarser.parquet", 20,
                          np.random.default_rng(0)))
