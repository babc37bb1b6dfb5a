"""Training of the speaker encoder on voices that differ."""

import numpy as np
import pytest
import torch

from evenvoice.errors import CorpusError, NonFiniteLoss
from evenvoice.params import WEIGHTINGS, Featurize, TrainSpeaker, load_params
from evenvoice.progress import Progress
from evenvoice.speakers.crops import Crops, beside
from evenvoice.speakers.embedding import embed_recordings
from evenvoice.speakers.training import fit_encoder
from evenvoice.verification.detection import equal_error_rate
from tests.builders.speakers import open_voices

FEATURIZE = Featurize(n_mels=12, window_ms=25.0, hop_ms=10.0, low_hz=20.0, high_hz=7600.0, shard_mb=128)
ENCODERS = ("conv", "ecapa")
LOSSES = ("prototypical", "margin")


def settings(**changes) -> TrainSpeaker:
    return TrainSpeaker(**{"encoder": "conv", "loss": "prototypical", "embedding": 8, "width": 16, "steps": 40,
                           "speakers_per_batch": 6, "recordings_per_speaker": 2, "crop_s": 0.3, "speed": 0.0,
                           "noise_share": 0.0, "learning_rate": 0.005, "weight_decay": 0.01,
                           "checkpoint_every_s": 1000.0, **changes})


def fit(store, seed: int = 0, weighting: str = "none", checkpoints=None, **changes):
    own = getattr(load_params().weightings, weighting)
    return fit_encoder(store, settings=settings(**changes), featurize=FEATURIZE, seed=seed, weighting=weighting,
                       weigh=own, progress=Progress("train_speaker"), checkpoints=checkpoints)


def crops(store, **changes) -> Crops:
    return Crops(store, settings=settings(**changes), featurize=FEATURIZE, seed=0)


def error_rate(encoder, store) -> float:
    validate = store.indices("validate")
    embeddings, speakers = embed_recordings(encoder, store, validate, 60.0), store.speakers[validate]
    first, second = np.triu_indices(len(embeddings), k=1)
    return equal_error_rate((embeddings @ embeddings.T)[first, second], speakers[first] == speakers[second])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_an_encoder_learns_to_tell_speakers_apart_that_it_never_heard(tmp_path, encoder, loss):
    store = open_voices(tmp_path, speakers={"train": 20, "validate": 10})
    untrained = fit(store, encoder=encoder, loss=loss, steps=1, learning_rate=1e-9)
    trained = fit(store, encoder=encoder, loss=loss, steps=100)
    assert error_rate(trained.encoder, store) < error_rate(untrained.encoder, store) * 0.75
    assert trained.curve[-1].loss < trained.curve[0].loss / 2


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_every_weighting_learns_and_says_how_many_speakers_still_count(tmp_path, weighting):
    store = open_voices(tmp_path, speakers={"train": 20, "validate": 10})
    fitted = fit(store, weighting=weighting, steps=60, speakers_per_batch=8)
    assert fitted.curve[-1].loss < fitted.curve[0].loss
    shares = [step.effective_share for step in fitted.curve]
    assert set(shares) == {None} if weighting in ("none", "double_rate") else all(0 < share <= 1 for share in shares)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_training_that_was_killed_goes_on_bit_for_bit(tmp_path, weighting, monkeypatch):
    store = open_voices(tmp_path / "voices", speakers={"train": 20}, recordings=5)
    options = {"weighting": weighting, "encoder": "ecapa", "steps": 12, "speakers_per_batch": 8, "speed": 0.1,
               "noise_share": 0.5}
    whole = fit(store, **options)
    killed_after(monkeypatch, steps=8)
    with pytest.raises(KeyboardInterrupt):
        fit(store, **options, checkpoints=tmp_path / "kept", checkpoint_every_s=1e-9)
    monkeypatch.undo()
    resumed = fit(store, **options, checkpoints=tmp_path / "kept", checkpoint_every_s=1e9)
    assert all(torch.equal(tensor, resumed.encoder.state_dict()[name])
               for name, tensor in whole.encoder.state_dict().items())
    assert resumed.curve == whole.curve
    assert resumed.weighing == whole.weighing


def killed_after(monkeypatch, steps: int) -> None:
    """Let the next training end in the middle of a step."""
    draw, drawn = Crops.draw, []

    def dying(self):
        drawn.append(1)
        if len(drawn) > steps:
            raise KeyboardInterrupt
        return draw(self)

    monkeypatch.setattr(Crops, "draw", dying)


def test_other_settings_never_resume_an_old_training(tmp_path, monkeypatch):
    store = open_voices(tmp_path / "voices", speakers={"train": 8})
    killed_after(monkeypatch, steps=3)
    with pytest.raises(KeyboardInterrupt):
        fit(store, steps=6, checkpoints=tmp_path / "kept", checkpoint_every_s=1e-9)
    monkeypatch.undo()
    other = fit(store, steps=6, learning_rate=0.001, checkpoints=tmp_path / "kept")
    assert other.curve == fit(store, steps=6, learning_rate=0.001).curve


def test_the_doubled_rate_is_the_same_training_with_twice_the_steps_length(tmp_path):
    store = open_voices(tmp_path, speakers={"train": 8})
    doubled, even = fit(store, weighting="double_rate", steps=5), fit(store, learning_rate=0.01, steps=5)
    assert doubled.curve == even.curve


def test_equal_seeds_give_equal_weights(tmp_path):
    store = open_voices(tmp_path, speakers={"train": 8})
    first, second, other = (fit(store, seed=seed, steps=3).encoder.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["projection.weight"], other["projection.weight"])


def test_training_leaves_the_random_numbers_of_others_alone(tmp_path):
    store = open_voices(tmp_path, speakers={"train": 8})
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    fit(store, steps=1)
    assert torch.equal(torch.rand(1), expected)


def test_a_batch_holds_different_speakers_with_different_recordings_of_each(tmp_path):
    batch = crops(open_voices(tmp_path, speakers={"train": 20})).draw()
    speakers = [name.rsplit("-", 1)[0] for name in batch.ids]
    assert batch.shape == (6, 2)
    assert speakers[::2] == speakers[1::2]
    assert len(set(speakers)) == 6
    assert len(set(batch.ids)) == 12


def test_with_fewer_speakers_than_a_batch_asks_for_all_are_taken(tmp_path):
    drawn = crops(open_voices(tmp_path, speakers={"train": 3}), speakers_per_batch=32)
    for _ in range(5):
        assert len({name.rsplit("-", 1)[0] for name in drawn.draw().ids}) == 3


def test_speakers_with_one_recording_give_several_crops_of_it(tmp_path):
    batch = crops(open_voices(tmp_path, speakers={"train": 6}, recordings=1)).draw()
    assert len(set(batch.ids)) == 6
    assert len(batch.features) == 12


def test_crops_are_equally_long_also_from_shorter_recordings(tmp_path):
    batch = crops(open_voices(tmp_path, speakers={"train": 6}, frames=20)).draw()
    assert {features.shape for features in batch.features} == {(30, 12)}


def test_only_train_speakers_are_trained_on(tmp_path):
    drawn = crops(open_voices(tmp_path, speakers={"train": 6, "test": 6}))
    assert all(name.startswith("train") for _ in range(10) for name in drawn.draw().ids)


def test_a_single_train_speaker_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="the train split must hold at least 2 speakers, got 1"):
        crops(open_voices(tmp_path, speakers={"train": 1}))


def test_a_loss_that_is_not_a_number_names_step_and_recordings(tmp_path):
    store = open_voices(tmp_path, speakers={"train": 6})
    store.mean = np.full_like(store.mean, np.nan)
    with pytest.raises(NonFiniteLoss, match="loss of step 1 on recordings train-"):
        fit(store)


def test_skipped_batches_are_those_that_would_have_been_drawn(tmp_path):
    store = open_voices(tmp_path, speakers={"train": 20})
    drawn, skipped = crops(store, speed=0.1, noise_share=0.5), crops(store, speed=0.1, noise_share=0.5)
    for _ in range(7):
        drawn.draw()
    skipped.skip(7)
    expected, found = drawn.draw(), skipped.draw()
    assert expected.ids == found.ids
    assert all(np.array_equal(one, other) for one, other in zip(expected.features, found.features, strict=True))


@pytest.mark.parametrize("speed", [0.1, 0.5])
def test_crops_at_another_speed_are_as_long(tmp_path, speed):
    batch = crops(open_voices(tmp_path, speakers={"train": 6}), speed=speed).draw()
    assert {features.shape for features in batch.features} == {(30, 12)}


def test_a_voice_beside_another_is_as_much_weaker_as_was_asked():
    voice, noise = np.full((10, 4), 2.0), np.full((10, 4), 5.0)
    both = beside(voice, noise, snr_db=10.0)
    assert np.exp(both) == pytest.approx(np.exp(2.0) * 1.1 * np.ones((10, 4)), rel=1e-5)
