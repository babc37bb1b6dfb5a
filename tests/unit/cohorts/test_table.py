"""What discovery reads, and what it cannot read."""

import numpy as np
import pytest

from evenvoice.cohorts.table import load_cohort_table
from evenvoice.data.schemas import EMBEDDINGS, HYPOTHESES
from evenvoice.data.tables import read_table, rows_table, write_table
from evenvoice.errors import ArtifactError
from tests.builders.cohorts import cohort_table, write_inputs


def small_table():
    return cohort_table(splits=["train", "discover", "validate", "test"], errors=[0, 2, 3, 4], words=[0, 20, 30, 40],
                        lat=np.array([30.1, 31.2, np.nan, 33.4]), lon=np.array([-90.1, -91.2, -92.3, -93.4]),
                        postal_code=["1", "2", "9", None], embeddings=np.eye(4))


def test_errors_of_test_speakers_are_not_even_loaded(tmp_path):
    table = load_cohort_table(**write_inputs(tmp_path, small_table()))
    assert table.errors.tolist() == [0, 2, 3, 0]
    assert table.words.tolist() == [0, 20, 30, 0]


def test_half_a_location_is_no_location(tmp_path):
    table = load_cohort_table(**write_inputs(tmp_path, small_table()))
    assert table.lat.tolist()[:2] == [30.1, 31.2]
    assert np.isnan([table.lat[2], table.lon[2]]).all()


def test_census_statistics_are_joined_by_postal_code(tmp_path):
    paths = write_inputs(tmp_path, small_table(), census={"postal_code": ["2", "1"], "renters": [0.2, 0.1]})
    table = load_cohort_table(**paths)
    assert table.census_columns == ("renters",)
    assert table.census[:2, 0].tolist() == [0.1, 0.2]
    assert np.isnan(table.census[2:, 0]).all()


def test_hypotheses_of_another_corpus_are_refused_by_speaker(tmp_path):
    paths = write_inputs(tmp_path, small_table())
    stranger = {"utterance": "u", "speaker": "stranger", "split": "discover", "reference": "", "hypothesis": "",
                "words": 1, "substitutions": 0, "deletions": 0, "insertions": 0, "duration_s": 1.0}
    write_table(paths["hypotheses"] / "hypotheses.parquet", rows_table([stranger], HYPOTHESES))
    with pytest.raises(ArtifactError, match="speaker stranger of split discover"):
        load_cohort_table(**paths)


def test_one_speaker_in_two_splits_keeps_two_rows(tmp_path):
    table = cohort_table(splits=["discover", "test"], errors=[2, 4], words=[20, 40], embeddings=np.eye(2))
    table.speakers[:] = "same"
    assert load_cohort_table(**write_inputs(tmp_path, table)).errors.tolist() == [2, 0]


def test_rows_of_every_file_meet_by_speaker_and_split_in_whatever_order_they_come(tmp_path):
    rng = np.random.default_rng(4)
    size = 60
    table = cohort_table(splits=rng.choice(["discover", "validate", "test"], size).tolist(),
                         errors=rng.integers(9, size=size).tolist(), words=rng.integers(9, 30, size=size).tolist(),
                         embeddings=rng.normal(size=(size, 3)).astype(np.float32).astype(np.float64))
    table.speakers[:] = [f"s{number // 2}" for number in range(size)]  # most in two splits
    table.splits[1::2] = ["train"] * (size // 2)
    paths = write_inputs(tmp_path, table)
    for path in (paths["hypotheses"] / "hypotheses.parquet", paths["embeddings"] / "embeddings.parquet"):
        rows = read_table(path)
        write_table(path, rows.take(rng.permutation(len(rows))))
    loaded = load_cohort_table(**paths)
    seen = np.isin(table.splits, ["discover", "validate"])
    assert list(loaded.speakers) == list(table.speakers)
    assert loaded.errors.tolist() == np.where(seen, table.errors, 0).tolist()
    assert loaded.words.tolist() == np.where(seen, table.words, 0).tolist()
    assert np.array_equal(loaded.embeddings, table.embeddings)


def test_recordings_of_a_speaker_add_up(tmp_path):
    paths = write_inputs(tmp_path, small_table())
    row = {"speaker": "s0001", "split": "discover", "reference": "", "hypothesis": "", "words": 5, "duration_s": 1.0}
    rows = [{**row, "utterance": f"u{number}", "substitutions": number, "deletions": 1, "insertions": 10}
            for number in range(3)]
    write_table(paths["hypotheses"] / "hypotheses.parquet", rows_table(rows, HYPOTHESES))
    table = load_cohort_table(**paths)
    assert table.words.tolist() == [0, 15, 0, 0]
    assert table.errors.tolist() == [0, 36, 0, 0]


def test_a_speaker_without_an_embedding_has_none(tmp_path):
    paths = write_inputs(tmp_path, small_table())
    rows = read_table(paths["embeddings"] / "embeddings.parquet")
    write_table(paths["embeddings"] / "embeddings.parquet", rows.slice(1))
    embeddings = load_cohort_table(**paths).embeddings
    assert np.isnan(embeddings[0]).all()
    assert np.array_equal(embeddings[1:], np.eye(4)[1:])


def test_embeddings_of_two_widths_are_refused(tmp_path):
    paths = write_inputs(tmp_path, small_table())
    rows = [{"speaker": f"s000{number}", "split": split, "embedding": [1.0] * width}
            for number, split, width in ((0, "train", 3), (1, "discover", 5))]
    write_table(paths["embeddings"] / "embeddings.parquet", rows_table(rows, EMBEDDINGS))
    with pytest.raises(ArtifactError, match=r"hold embeddings of one width, got widths \[3, 5\]"):
        load_cohort_table(**paths)


def test_further_columns_are_those_that_anybody_has_in_the_order_of_their_names(tmp_path):
    further = np.array([[None, "phone"], ["Twi", None], [None, None], ["Ewe", "phone"]], dtype=object)
    table = cohort_table(splits=["train", "discover", "validate", "test"], errors=[0] * 4, words=[9] * 4,
                         further=further, further_columns=("mother_tongue", "device"), embeddings=np.eye(4))
    loaded = load_cohort_table(**write_inputs(tmp_path, table))
    assert loaded.further_columns == ("device", "mother_tongue")
    assert loaded.further.tolist() == further[:, ::-1].tolist()
    told = loaded.declared("device")
    assert (list(told.numbers), told.codes.tolist()) == (["phone"], [0, -1, -1, 0])


def test_nobody_says_anything_in_a_column_that_there_is_not():
    told = small_table().declared("device")
    assert (dict(told.numbers), told.codes.tolist()) == ({}, [-1] * 4)


def test_what_was_declared_is_looked_up_again_among_fewer_speakers():
    table = cohort_table(splits=["test"] * 3, errors=[0] * 3, words=[1] * 3, gender=["female", None, "male"])
    assert table.declared("gender").codes.tolist() == [0, -1, 1]
    assert table.where(np.array([False, True, True])).declared("gender").codes.tolist() == [-1, 0]
