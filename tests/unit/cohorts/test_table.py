"""What discovery reads, and what it cannot read."""

import numpy as np
import pytest

from evenvoice.cohorts.table import load_cohort_table
from evenvoice.data.schemas import HYPOTHESES
from evenvoice.data.tables import rows_table, write_table
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
