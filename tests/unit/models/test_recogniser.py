"""A recogniser on disk is self-contained, and refused where it was altered."""

import json

import pytest
import torch

from evenvoice.data.tokenizer import Tokenizer
from evenvoice.decoding.greedy import transcribe_labels
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


@pytest.mark.parametrize("units", [TOKENIZER.units[:2], TOKENIZER.units[::-1]], ids=["fewer", "in another order"])
def test_units_of_another_model_are_refused(saved, units):
    _, path = saved
    Tokenizer(kind="characters", units=units).save(path)
    with pytest.raises(ArtifactError, match=r"units of .* must have the hash .* that config\.json names"):
        Recogniser.load(path)


@pytest.mark.parametrize(("place", "value"), [
    (("architecture", "encoder", "channels"), 0), (("architecture", "encoder", "lstm_width"), 10**7),
    (("architecture", "stack"), -4), (("architecture", "lookahead"), -1), (("architecture", "dropout"), 2.0),
    (("sample_rate",), 0), (("featurize", "n_mels"), 80)])
def test_numbers_that_no_model_has_are_refused_before_it_is_built(saved, place, value):
    _, path = saved
    config = json.loads((path / "config.json").read_text())
    section = config
    for name in place[:-1]:
        section = section[name]
    section[place[-1]] = value
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtifactError, match=r"config\.json must be a recogniser's configuration"):
        Recogniser.load(path)


def test_weights_that_are_not_numbers_are_refused(saved):
    recogniser, path = saved
    with torch.no_grad():
        recogniser.transducer.joiner.output.bias[0] = float("nan")
    recogniser.save(path)
    with pytest.raises(ArtifactError, match=r"must hold finite numbers, got NaN or infinity in joiner\.output\.bias"):
        Recogniser.load(path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_directory_where_a_file_belongs_is_refused(saved, name):
    _, path = saved
    (path / name).unlink()
    (path / name).mkdir()
    with pytest.raises(ArtifactError, match=f"{name} must be a file that can be read, got Is a directory"):
        Recogniser.load(path)


def test_features_shorter_than_one_encoder_frame_still_get_a_transcript():
    assert len(transcribe_labels(tiny_recogniser(), [spoken("no")[:1]], batch_s=60.0)) == 1
