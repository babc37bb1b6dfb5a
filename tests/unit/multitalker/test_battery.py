"""The battery of a recogniser of two talkers, with every encoder of the registry behind its separator."""

import numpy as np
import pytest
import torch

from evenvoice.decoding.greedy import GreedyDecoder
from evenvoice.models.presets import PRESETS
from evenvoice.models.recogniser import Recogniser
from evenvoice.multitalker.transcribing import hear
from evenvoice.progress import Progress
from evenvoice.training.loop import fit
from tests.builders.models import MELS, weights
from tests.builders.talkers import (
    LONGER,
    learn,
    mixture_store,
    tiny_multitalker,
    turn_settings,
    turn_targets,
)

ENCODERS = tuple(PRESETS["tiny"].encoders)
TOLERANCE = {"atol": 1e-5, "rtol": 0.0}


def frames(count: int, *, batch: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, count, MELS, generator=torch.Generator().manual_seed(seed))


def streamed(recogniser: Recogniser, whole_BTM: torch.Tensor, size: int) -> torch.Tensor:
    encoder = recogniser.transducer.encoder.eval()
    state, outputs = encoder.initial_state(len(whole_BTM)), []
    for chunk_BTM in whole_BTM.split(size, dim=1):
        output, state = encoder.step(chunk_BTM, state)
        outputs.append(output)
    return torch.cat([*outputs, encoder.finish(state)], dim=1)


def trained(recogniser: Recogniser, steps: int, **changes: object) -> Recogniser:
    store = mixture_store()
    fit(recogniser=recogniser, store=store, indices=store.indices("train"), seed=1, progress=Progress("test"),
        settings=turn_settings(steps=steps, batch_s=30.0, **changes), checkpoint_dir=None,
        targets=turn_targets(recogniser, store))
    return recogniser


@pytest.mark.parametrize("encoder", ENCODERS)
class TestEveryEncoder:
    @pytest.mark.parametrize("size", [1, 7])
    def test_chunks_give_what_the_whole_gives_on_both_channels(self, encoder, size):
        recogniser, whole_BTM = tiny_multitalker(encoder=encoder, lookahead=1), frames(93)
        whole_RTD = recogniser.transducer.encoder.eval()(whole_BTM)
        assert len(whole_RTD) == 2 * len(whole_BTM)
        torch.testing.assert_close(streamed(recogniser, whole_BTM, size), whole_RTD, **TOLERANCE)

    def test_a_changed_frame_changes_nothing_before_it(self, encoder):
        encode = tiny_multitalker(encoder=encoder).transducer.encoder.eval()
        whole_BTM = frames(48)
        other_BTM = whole_BTM.clone()
        other_BTM[:, 30] += 1.0
        torch.testing.assert_close(encode(whole_BTM)[:, :7], encode(other_BTM)[:, :7], atol=0.0, rtol=0.0)
        assert not torch.equal(encode(whole_BTM)[:, 7:], encode(other_BTM)[:, 7:])

    def test_a_mixture_is_the_same_in_company_as_alone(self, encoder):
        transducer = tiny_multitalker(encoder=encoder).transducer.eval()
        padded_BTM, lengths_B = frames(60), torch.tensor([60, 40])
        together_RTD = transducer.encode(padded_BTM, lengths_B)
        alone_RTD = transducer.encode(padded_BTM[1:, :40], lengths_B[1:])
        torch.testing.assert_close(together_RTD[2:, :10], alone_RTD, **TOLERANCE)

    def test_overfits_a_batch_of_two_at_once_one_alone_and_nobody(self, encoder):
        store, recogniser = mixture_store(), tiny_multitalker(encoder=encoder, width=32)
        curve = fit(recogniser=recogniser, store=store, indices=store.indices("train"), seed=1,
                    progress=Progress("test"), settings=turn_settings(steps=60, batch_s=30.0, learning_rate=0.02),
                    checkpoint_dir=None, targets=turn_targets(recogniser, store))
        assert curve.points[-1].loss < 0.1 * curve.points[0].loss


def test_what_was_learned_by_heart_is_heard_on_the_channel_that_was_free():
    recogniser, store = tiny_multitalker(width=32), mixture_store(LONGER)
    learn(recogniser, store, turn_targets(recogniser, store))
    heard = hear(recogniser, [store.features(i) for i in range(3)])
    assert [[(turn.channel, turn.text) for turn in turns] for turns in heard] == [
        [(0, "yes one"), (1, "no two")], [(0, "one no")], []]
    assert all(turn.start_s < turn.end_s for turns in heard for turn in turns)


def test_before_training_every_channel_hears_what_the_base_recogniser_hears():
    recogniser = tiny_multitalker()
    separator = recogniser.transducer.encoder.separator
    for branch in separator.branches:
        torch.nn.init.zeros_(branch.correct.weight)
        torch.nn.init.zeros_(branch.correct.bias)
    whole_BTM = frames(40, batch=1)
    one_TD, other_TD = recogniser.transducer.encoder.eval()(whole_BTM)
    assert torch.equal(one_TD, other_TD)


def test_a_training_that_stops_and_resumes_is_bit_identical(tmp_path):
    whole, resumed = tiny_multitalker(), tiny_multitalker()
    store = mixture_store()

    def train(recogniser: Recogniser, steps: int) -> None:
        fit(recogniser=recogniser, store=store, indices=store.indices("train"), seed=1, progress=Progress("test"),
            settings=turn_settings(steps=6, batch_s=4.0), checkpoint_dir=tmp_path / str(id(recogniser)),
            targets=_Stopping(turn_targets(recogniser, store), steps))

    train(whole, 100)
    with pytest.raises(KeyboardInterrupt):
        train(resumed, 4)
    again = tiny_multitalker()
    resumed_dir, again_dir = tmp_path / str(id(resumed)), tmp_path / str(id(again))
    resumed_dir.rename(again_dir)
    train(again, 100)
    assert torch.equal(weights(again), weights(whole))


class _Stopping:
    """Targets that end the training after so many batches."""

    def __init__(self, targets: object, batches: int) -> None:
        self._targets, self._left = targets, batches

    def __call__(self, indices, frames):
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return self._targets(indices, frames)


def test_two_trainings_are_the_same_bit_for_bit():
    assert torch.equal(weights(trained(tiny_multitalker(), 3)), weights(trained(tiny_multitalker(), 3)))


@pytest.mark.parametrize("tokens", ["none", "separator", "turns"])
def test_saved_and_loaded_it_hears_the_same(tmp_path, tokens):
    recogniser = tiny_multitalker(tokens=tokens)
    recogniser.save(tmp_path / "model")
    loaded = Recogniser.load(tmp_path / "model")
    assert loaded.separator == recogniser.separator
    features = [np.asarray(frames(80, batch=1)[0], np.float16)]
    assert hear(loaded, features) == hear(recogniser, features)


def test_work_is_counted_for_the_separator_and_both_channels():
    recogniser = tiny_multitalker()
    encoder = recogniser.transducer.encoder
    assert encoder.macs_per_frame == encoder.separator.macs_per_frame + 2 * encoder.body.macs_per_frame


def test_a_search_has_a_row_for_each_channel_of_each_mixture():
    transducer = tiny_multitalker().transducer.eval()
    search = GreedyDecoder(transducer)
    state = search.step(frames(40, batch=3), search.initial_state(3), torch.tensor([40, 20, 30]))
    assert len(search.finish(state)) == 6
