"""The feature store reads what was written, in place, and refuses what was altered."""

import numpy as np
import pytest

from evenvoice.data.feature_store import FeatureStore, feature_files
from evenvoice.data.schemas import FEATURES
from evenvoice.data.tables import open_ipc_shards, rows_table, write_ipc_shards
from evenvoice.errors import ArtifactError
from evenvoice.origins import write_contents
from evenvoice.storage import write_json
from tests.builders.features import counting_features, write_features
from tests.builders.ipc import write_rows


def test_frames_lie_row_by_row_as_they_were_written(tmp_path):
    write_features(tmp_path, frames=[3, 1, 7])
    store = FeatureStore.open(tmp_path)
    assert len(store) == 3
    assert store.frames.tolist() == [3, 1, 7]
    for i, frames in enumerate([3, 1, 7]):
        np.testing.assert_array_equal(store.features(i), counting_features(frames, 4))


def test_recordings_spread_over_several_shards_are_one_store(tmp_path):
    write_features(tmp_path, frames=[100_000, 100_000, 5, 100_000, 6], n_mels=4)
    assert len(list(tmp_path.glob("*.arrow"))) == 2
    store = FeatureStore.open(tmp_path)
    assert [len(store.features(i)) for i in range(5)] == [100_000, 100_000, 5, 100_000, 6]
    np.testing.assert_array_equal(store.features(4), counting_features(6, 4))


def test_a_part_of_the_table_finds_its_own_bytes(tmp_path):
    write_features(tmp_path, frames=[3, 1, 7])
    ones = np.ones(4, np.float32)
    store = FeatureStore([open_ipc_shards(tmp_path, FEATURES).slice(1)], mean=ones, std=ones)
    np.testing.assert_array_equal(store.features(1), counting_features(7, 4))


def test_features_are_a_read_only_view_of_the_mapped_file(tmp_path):
    write_features(tmp_path, frames=[3])
    features = FeatureStore.open(tmp_path).features(0)
    assert features.dtype == np.float16
    assert not features.flags.owndata
    assert not features.flags.writeable


def test_what_is_known_of_each_recording_stands_beside_it(tmp_path):
    write_features(tmp_path, frames=[3, 1], splits=["train", "test"])
    store = FeatureStore.open(tmp_path)
    assert store.ids.tolist() == ["u0", "u1"]
    assert store.speakers.tolist() == ["s0", "s1"]
    assert store.texts.tolist() == ["text 0", "text 1"]
    np.testing.assert_allclose(store.durations_s, [0.03, 0.01], rtol=1e-6)
    assert store.mean.tolist() == [0.5] * 4
    assert store.std.tolist() == [2.0] * 4


def test_strings_are_read_by_row_by_rows_and_one_after_another(tmp_path):
    write_features(tmp_path, frames=[100_000, 100_000, 5, 100_000, 6], n_mels=4)
    store = FeatureStore.open(tmp_path)
    for column, expected in ((store.ids, [f"u{i}" for i in range(5)]), (store.texts, [f"text {i}" for i in range(5)]),
                             (store.speakers, ["s0", "s1", "s0", "s1", "s0"]), (store.splits, ["train"] * 5)):
        assert len(column) == 5
        assert column[3] == column[np.int64(3)] == column[-2] == expected[3]
        assert column[np.array([4, 0, 4])].tolist() == [expected[4], expected[0], expected[4]]
        assert column[np.arange(5) > 2].tolist() == column[3:].tolist() == expected[3:]
        assert column[np.empty(0, np.int64)].tolist() == []
        assert [*column] == column.tolist() == expected
        with pytest.raises(IndexError):
            column[5]


def test_strings_of_any_length_and_script_come_back_as_they_were_written():
    texts = ["", "gün aydın", "", "早上好", "x" * 1000, ""]
    rows = feature_rows_of(texts)
    store = FeatureStore([rows_table(part, FEATURES) for part in (rows[:2], rows[2:])],
                         mean=np.zeros(1, np.float32), std=np.ones(1, np.float32))
    assert store.texts.tolist() == texts
    assert store.texts[np.array([3, 0, 1])].tolist() == [texts[3], texts[0], texts[1]]


def feature_rows_of(texts):
    return [{"utterance": f"u{i}", "speaker": "s", "split": "train", "text": text, "duration_s": 0.01, "frames": 1,
             "features": b"\0\0"} for i, text in enumerate(texts)]


def test_a_store_of_empty_strings_alone_can_be_read():
    store = FeatureStore([rows_table(feature_rows_of(["", ""]), FEATURES)], mean=np.zeros(1, np.float32),
                         std=np.ones(1, np.float32))
    assert store.texts.tolist() == ["", ""]


def written_apart(directory, files):
    """Features in so many files of two recordings each."""
    directory.mkdir()
    for number in range(files):
        rows = [{**row, "utterance": f"u{2 * number + place}"} for place, row in enumerate(feature_rows_of(["a", "b"]))]
        batches = rows_table(rows, FEATURES).to_batches()
        write_ipc_shards(directory, f"features-{number}", FEATURES, batches, 1, "features")
    write_json(directory / "statistics.json", {"mean": [0.0], "std": [1.0]})
    write_contents(directory)


def test_a_share_is_opened_without_the_files_of_others(tmp_path):
    written_apart(tmp_path / "features", files=4)
    files = feature_files(tmp_path / "features")
    assert files == [f"features-{number}-00000.arrow" for number in range(4)]
    for foreign in (files[0], files[2]):
        (tmp_path / "features" / foreign).unlink()
    store = FeatureStore.open(tmp_path / "features", [files[1], files[3]])
    assert store.ids.tolist() == ["u2", "u3", "u6", "u7"]


def test_a_file_of_the_own_share_that_is_missing_is_named(tmp_path):
    written_apart(tmp_path / "features", files=4)
    (tmp_path / "features" / "features-1-00000.arrow").unlink()
    with pytest.raises(ArtifactError, match=r"features-1-00000\.arrow must be as contents\.json lists it .* no such"):
        FeatureStore.open(tmp_path / "features", ["features-1-00000.arrow"])


def test_a_foreign_file_that_is_here_and_was_altered_is_refused_all_the_same(tmp_path):
    written_apart(tmp_path / "features", files=4)
    (tmp_path / "features" / "features-2-00000.arrow").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"features-2-00000\.arrow"):
        FeatureStore.open(tmp_path / "features", ["features-1-00000.arrow"])


def test_a_mapped_file_stays_for_features_that_outlive_their_store(tmp_path):
    write_features(tmp_path, frames=[3, 1])
    store = FeatureStore.open(tmp_path)
    features = store.features(0)
    del store
    np.testing.assert_array_equal(features, counting_features(3, 4))


def test_indices_of_splits_keep_the_order(tmp_path):
    write_features(tmp_path, frames=[1] * 5, splits=["test", "train", "validate", "train", "test"])
    store = FeatureStore.open(tmp_path)
    assert store.indices("train").tolist() == [1, 3]
    assert store.indices("validate", "test").tolist() == [0, 2, 4]
    assert store.indices("discover").tolist() == []


@pytest.mark.parametrize(("frames", "content"), [(3, b"\0" * 23), (3, b"\0" * 25), (2, b"\0" * 24), (0, b"")])
def test_bytes_that_are_not_the_declared_frames_are_refused_by_name(tmp_path, frames, content):
    row = {"utterance": "u7", "speaker": "s", "split": "train", "text": "t", "duration_s": 1.0, "frames": frames,
           "features": content}
    write_rows(tmp_path, "features", FEATURES, [row])
    write_json(tmp_path / "statistics.json", {"mean": [0.0] * 4, "std": [1.0] * 4})
    write_contents(tmp_path)
    with pytest.raises(ArtifactError, match=f"features of u7 must be {frames} frames"):
        FeatureStore.open(tmp_path)


def test_a_truncated_shard_is_refused_by_name(tmp_path):
    write_features(tmp_path, frames=[3, 1, 7])
    shard = tmp_path / "features-00000.arrow"
    shard.write_bytes(shard.read_bytes()[:-30])
    said = r"features-00000\.arrow must be as contents\.json lists it \(1690 bytes\), got 1660"
    with pytest.raises(ArtifactError, match=said):
        FeatureStore.open(tmp_path)


@pytest.mark.parametrize("statistics", [
    {"mean": [0.0] * 4}, {"mean": [0.0] * 4, "std": [1.0] * 3}, {"mean": [0.0] * 4, "std": [0.0] * 4},
    {"mean": ["a"] * 4, "std": [1.0] * 4}, [], {"mean": [], "std": []},
])
def test_statistics_that_cannot_normalise_are_refused(tmp_path, statistics):
    write_features(tmp_path, frames=[3])
    write_json(tmp_path / "statistics.json", statistics)
    write_contents(tmp_path)
    with pytest.raises(ArtifactError, match=r"statistics\.json must hold a finite mean and a positive std"):
        FeatureStore.open(tmp_path)


def test_without_features_the_stage_that_writes_them_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="Run the stage that writes it"):
        FeatureStore.open(tmp_path)
