"""Embeddings of recordings and speakers."""

import numpy as np
import pytest
import torch

from evenvoice.errors import TrainingError
from evenvoice.speakers.embedding import batches, embed_recordings, speaker_means
from evenvoice.speakers.encoder import SpeakerEncoder, SpeakerEncoderConfig, padded
from tests.builders.speakers import open_voices


def encoder() -> SpeakerEncoder:
    torch.manual_seed(0)
    config = SpeakerEncoderConfig(encoder="conv", n_mels=12, width=16, embedding=8)
    return SpeakerEncoder(config, np.zeros(12, np.float32), np.ones(12, np.float32)).eval()


def strings(*values: str) -> np.ndarray:
    return np.array(values, dtype=object)


def test_a_speaker_is_the_mean_of_the_recordings_at_unit_length():
    recordings = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], dtype=np.float32)
    keys, means = speaker_means(recordings, strings("a", "a", "b"), strings("test", "test", "test"))
    assert keys == [("a", "test"), ("b", "test")]
    assert means.tolist() == [pytest.approx([0.5**0.5, 0.5**0.5]), pytest.approx([0.0, 1.0])]


def test_a_speaker_of_two_splits_has_an_embedding_in_each():
    recordings = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    keys, means = speaker_means(recordings, strings("a", "a"), strings("train", "test"))
    assert keys == [("a", "train"), ("a", "test")]
    assert means.tolist() == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize("batch_s", [0.01, 2.0, 1000.0])
def test_every_recording_gets_its_own_embedding_whatever_the_batches(tmp_path, batch_s):
    store, model = open_voices(tmp_path, speakers={"test": 5}), encoder()
    embeddings = embed_recordings(model, store, np.arange(len(store)), batch_s)
    with torch.inference_mode():
        alone = np.concatenate([model(*padded([store.features(index)])).numpy() for index in range(len(store))])
    assert np.allclose(embeddings, alone, atol=1e-5)


def test_batches_have_few_shapes_and_stay_within_their_seconds(tmp_path):
    """What libraries keep for every shape they meet must not grow with the number of recordings."""
    store = open_voices(tmp_path, speakers={"test": 5})
    frames = np.random.default_rng(0).integers(1, 400, 20_000)
    found = list(batches(store, frames, 60.0))
    assert sorted(row for rows, _ in found for row in rows.tolist()) == list(range(len(frames)))
    limit = 60.0 * store.frames.sum() / store.durations_s.sum()
    assert all(frames[rows].max() <= padded_to and padded_to * len(rows) <= limit for rows, padded_to in found)
    assert len({(len(rows), padded_to) for rows, padded_to in found}) <= 3 * 400 / 32
    assert len(found) > 500


def test_an_embedding_that_is_not_a_number_names_its_recording(tmp_path):
    store, model = open_voices(tmp_path, speakers={"test": 2}), encoder()
    model.projection.bias.data[:] = np.nan
    with pytest.raises(TrainingError, match="recording test-0-0"):
        embed_recordings(model, store, np.arange(len(store)), 10.0)
