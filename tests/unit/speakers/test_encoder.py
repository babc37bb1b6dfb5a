"""The speaker encoder."""

import numpy as np
import pytest
import torch

from evenvoice.errors import ArtifactError
from evenvoice.speakers.encoder import TRUNKS, SpeakerEncoder, SpeakerEncoderConfig, padded


@pytest.fixture(params=TRUNKS)
def kind(request) -> str:
    return request.param


def encoder(kind: str = "conv") -> SpeakerEncoder:
    torch.manual_seed(0)
    config = SpeakerEncoderConfig(encoder=kind, n_mels=12, width=16, embedding=8)
    return SpeakerEncoder(config, np.full(12, 0.5, np.float32), np.full(12, 2.0, np.float32)).eval()


def recording(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (frames, 12)).astype(np.float16)


def test_an_embedding_has_unit_length(kind):
    assert encoder(kind)(*padded([recording(50)])).norm(dim=1).item() == pytest.approx(1.0)


@pytest.mark.parametrize("frames", [1, 2, 5, 40, 61])
def test_an_embedding_does_not_depend_on_what_it_is_batched_with(frames, kind):
    model, own = encoder(kind), recording(frames)
    alone = model(*padded([own]))
    beside_longer = model(*padded([own, recording(100, seed=1)]))
    assert torch.allclose(alone[0], beside_longer[0], atol=1e-6)


def test_bands_are_normalised_by_the_mean_and_deviation_of_the_train_split(kind):
    model = encoder(kind)
    features_BTM, lengths_B = padded([recording(50)])
    before = model(features_BTM, lengths_B)
    model.mean += 3.0
    assert torch.allclose(model(features_BTM + 3.0, lengths_B), before, atol=1e-5)


def test_a_saved_encoder_comes_back_the_same(tmp_path, kind):
    model, batch = encoder(kind), padded([recording(50)])
    model.save(tmp_path)
    assert torch.equal(SpeakerEncoder.load(tmp_path)(*batch), model(*batch))


def test_a_truncated_model_is_refused_by_name(tmp_path):
    encoder().save(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ArtifactError, match="must hold a speaker encoder"):
        SpeakerEncoder.load(tmp_path)


def test_a_missing_model_names_the_stage_to_run(tmp_path):
    with pytest.raises(ArtifactError, match=r"config\.json must exist"):
        SpeakerEncoder.load(tmp_path)


def test_weights_of_another_training_are_refused(tmp_path):
    encoder().save(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    torch.manual_seed(1)
    SpeakerEncoder(encoder().config, np.zeros(12, np.float32), np.ones(12, np.float32)).save(other)
    (tmp_path / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    with pytest.raises(ArtifactError, match=r"model\.safetensors must have SHA-256"):
        SpeakerEncoder.load(tmp_path)
