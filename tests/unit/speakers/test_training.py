"""Training of the speaker encoder on voices that differ."""

import numpy as np
import pytest
import torch

from evenvoice.errors import CorpusError, NonFiniteLoss
from evenvoice.params import TrainSpeaker
from evenvoice.progress import Progress
from evenvoice.speakers.embedding import embed_recordings
from evenvoice.speakers.training import Crops, fit_encoder
from evenvoice.speakers.verification import verify
from tests.builders.speakers import open_voices


def settings(**changes) -> TrainSpeaker:
    return TrainSpeaker(**{"embedding": 8, "width": 16, "steps": 40, "speakers_per_batch": 6,
                           "recordings_per_speaker": 2, "crop_s": 0.3, "learning_rate": 0.005, **changes})


def fit(store, seed: int = 0, **changes):
    return fit_encoder(store, settings=settings(**changes), hop_ms=10.0, seed=seed, progress=Progress("train_speaker"))


def crops(store, **changes) -> Crops:
    return Crops(store, settings=settings(**changes), frames=30, seed=0)


def test_an_encoder_learns_to_tell_speakers_apart_that_it_never_heard(tmp_path):
    store = open_voices(tmp_path, speakers={"train": 20, "validate": 10})
    validate = store.indices("validate")

    def error_rate(encoder) -> float:
        return verify(embed_recordings(encoder, store, validate, 60.0), store.speakers[validate]).eer

    untrained, _ = fit(store, steps=1, learning_rate=1e-9)
    trained, curve = fit(store, steps=100)
    assert error_rate(trained) < error_rate(untrained) / 2
    assert curve[-1].loss < curve[0].loss / 2


def test_equal_seeds_give_equal_weights(tmp_path):
    store = open_voices(tmp_path, speakers={"train": 8})
    first, second, other = (fit(store, seed=seed, steps=3)[0].state_dict() for seed in (1, 1, 2))
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
