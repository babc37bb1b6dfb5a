"""The battery that every encoder of the registry passes."""

import pytest
import torch

from evenvoice.decoding.greedy import transcribe_labels
from evenvoice.models.encoder import Encoder
from evenvoice.progress import Progress
from evenvoice.training.loop import fit
from tests.builders.models import ENCODERS, GATED, MELS, NO_MASKS, spoken_store, tiny_recogniser, tiny_settings

pytestmark = pytest.mark.parametrize("name", ENCODERS)
LAST_BIT = {False: 0.0, True: 1e-6}
"""By whether there are gates: how many rows are gathered depends on what comes, and with the size of a matrix product
goes its last bit."""
TOLERANCE = {"atol": 1e-5, "rtol": 0.0}


def built(name: str, lookahead: int = 0) -> Encoder:
    return tiny_recogniser(encoder=name, dropout=0.1, lookahead=lookahead).transducer.encoder.eval()


def streamed(encoder: Encoder, whole_BTM: torch.Tensor, size: int) -> torch.Tensor:
    state, outputs = encoder.initial_state(len(whole_BTM)), []
    for chunk_BTM in whole_BTM.split(size, dim=1):
        output, state = encoder.step(chunk_BTM, state)
        outputs.append(output)
    return torch.cat([*outputs, encoder.finish(state)], dim=1)


def frames(count: int, *, batch: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, count, MELS, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("lookahead", [0, 2])
@pytest.mark.parametrize("size", [1, 3, 7, 16])
def test_chunks_give_what_the_whole_gives(name, size, lookahead):
    encoder, whole_BTM = built(name, lookahead), frames(93)
    torch.testing.assert_close(streamed(encoder, whole_BTM, size), encoder(whole_BTM), **TOLERANCE)


def test_a_long_utterance_is_the_same_in_one_piece_and_in_many(name):
    encoder, whole_BTM = built(name), frames(4 * 300, batch=1)
    torch.testing.assert_close(streamed(encoder, whole_BTM, 250), encoder(whole_BTM), **TOLERANCE)


def test_gives_one_frame_for_each_full_stack(name):
    encoder = built(name)
    assert encoder(frames(45)).shape == (2, 45 // encoder.subsampling, encoder.width)


@pytest.mark.parametrize("changed", [0, 13, 30, 44])
def test_a_changed_frame_changes_nothing_before_it(name, changed):
    encoder, whole_BTM = built(name), frames(48)
    other_BTM = whole_BTM.clone()
    other_BTM[:, changed] += 1.0
    before = changed // encoder.subsampling
    first, second = encoder(whole_BTM), encoder(other_BTM)
    torch.testing.assert_close(first[:, :before], second[:, :before], atol=LAST_BIT[name in GATED], rtol=0.0)
    assert not torch.equal(first[:, before:], second[:, before:])


@pytest.mark.parametrize("lookahead", [1, 3])
def test_lookahead_sees_so_many_encoder_frames_and_no_further(name, lookahead):
    encoder, whole_BTM = built(name, lookahead), frames(48)
    other_BTM = whole_BTM.clone()
    other_BTM[:, 40] += 1.0  # in encoder frame 10
    same_BTD = torch.isclose(encoder(whole_BTM), encoder(other_BTM), atol=LAST_BIT[name in GATED], rtol=0.0)
    same_T = same_BTD.all(-1).all(0)
    assert same_T[:10 - lookahead].all()
    heard_T = ~same_T[10 - lookahead:]
    assert heard_T[0] if name in GATED else heard_T.all()  # a later frame may have no part that works


@pytest.mark.parametrize("lookahead", [0, 3])
def test_an_utterance_shorter_than_the_lookahead_keeps_its_frames(name, lookahead):
    encoder = built(name, lookahead)
    assert encoder(frames(9)).shape[1] == 2
    assert streamed(encoder, frames(9), 2).shape[1] == 2


def test_padding_changes_nothing(name):
    encoder, real_BTM = built(name), frames(40)
    padded_BTM = torch.cat([real_BTM, torch.full((2, 24, MELS), 1e3)], dim=1)
    torch.testing.assert_close(encoder(padded_BTM)[:, :40 // encoder.subsampling], encoder(real_BTM), **TOLERANCE)


@pytest.mark.parametrize("lookahead", [0, 2])
def test_padding_may_hold_anything(name, lookahead):
    transducer = tiny_recogniser(encoder=name, lookahead=lookahead).transducer.eval()
    real_BTM = frames(40)
    padded_BTM = torch.cat([real_BTM, torch.full((2, 24, MELS), torch.nan)], dim=1)
    lengths_B = torch.tensor([40, 40])
    torch.testing.assert_close(transducer.encode(padded_BTM, lengths_B)[:, :10], transducer.encode(real_BTM, lengths_B),
                               **TOLERANCE)


def test_neighbours_in_the_batch_change_nothing(name):
    encoder, batch_BTM = built(name), frames(40, batch=5)
    alone = torch.cat([encoder(batch_BTM[row:row + 1]) for row in range(5)])
    torch.testing.assert_close(encoder(batch_BTM), alone, **TOLERANCE)


def test_overfits_one_batch(name):
    store = spoken_store(("yes", "no", "one", "two"))
    recogniser = tiny_recogniser(encoder=name, width=32)
    curve = fit(recogniser=recogniser, store=store, indices=store.indices("train"), seed=1, checkpoint_dir=None,
                settings=tiny_settings(steps=120, learning_rate=0.02, batch_s=30.0, augment=NO_MASKS),
                progress=Progress("test"))
    assert curve.points[-1].loss < 0.1 * curve.points[0].loss
    heard = transcribe_labels(recogniser, [store.features(i) for i in range(len(store))], batch_s=60.0)
    assert [recogniser.tokenizer.decode(labels) for labels in heard] == ["yes", "no", "one", "two"]
