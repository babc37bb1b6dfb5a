"""A recogniser on disk is self-contained, and refused where it was altered."""

import json

import pytest
import torch

from evenvoice.decoding.greedy import transcribe
from evenvoice.errors import ArtifactError
from evenvoice.models.recogniser import Recogniser
from tests.builders.models import TOKENIZER, spoken, tiny_recogniser, weights


@pytest.fixture
def saved(tmp_path):
    recogniser = tiny_recogniser(seed=5)
    recogniser.transducer.set_normalisation(torch.full((8,), 2.0), torch.full((8,), 3.0))
    recogniser.save(tmp_path / "model")
    return recogniser, tmp_path / "model"


def test_comes_back_as_it_was_saved(saved):
    recogniser, path = saved
    loaded = Recogniser.load(path)
    assert torch.equal(weights(loaded), weights(recogniser))
    assert loaded.tokenizer == TOKENIZER
    assert loaded.featurize == recogniser.featurize
    assert loaded.sample_rate == 8000


def test_corpus_statistics_travel_with_the_weights(saved):
    _, path = saved
    assert Recogniser.load(path).transducer.mean_M.tolist() == [2.0] * 8


def test_nothing_is_pickled(saved):
    _, path = saved
    assert sorted(file.name for file in path.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]


def test_equal_seeds_give_equal_weights_whatever_was_drawn_before():
    first = tiny_recogniser(seed=3)
    torch.rand(7)
    assert torch.equal(weights(first), weights(tiny_recogniser(seed=3)))
    assert not torch.equal(weights(first), weights(tiny_recogniser(seed=4)))


def test_a_flipped_byte_of_the_weights_is_refused_by_name(saved):
    _, path = saved
    content = bytearray((path / "model.safetensors").read_bytes())
    content[-5] ^= 1
    (path / "model.safetensors").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model\.safetensors must have the hash"):
        Recogniser.load(path)


def test_missing_weights_are_named(saved):
    _, path = saved
    (path / "model.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"model\.safetensors must exist"):
        Recogniser.load(path)


def test_another_text_normalisation_is_refused(saved):
    _, path = saved
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "normalisation_version": 99}))
    with pytest.raises(ArtifactError, match="text normalisation"):
        Recogniser.load(path)


def test_an_unknown_architecture_is_refused(saved):
    _, path = saved
    config = json.loads((path / "config.json").read_text())
    config["architecture"]["encoder"]["kind"] = "telepathy"
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtifactError, match=r"recogniser's configuration, got architecture.encoder"):
        Recogniser.load(path)


def test_features_shorter_than_one_encoder_frame_still_get_a_transcript():
    assert len(transcribe(tiny_recogniser(), [spoken("no")[:1]], 4)) == 1
