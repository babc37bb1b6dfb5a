"""The loss of an utterance is its own, whatever else is in the batch."""

import numpy as np
import pytest
import torch

from evenvoice.losses.rnnt import rnnt
from evenvoice.training.feed import Feed
from evenvoice.training.objective import Objective
from tests.builders.models import MASKS, spoken_store, tiny_recogniser

STORE = spoken_store()


def losses(indices: list[int], ctc_weight: float) -> torch.Tensor:
    recogniser = tiny_recogniser()
    batch = Feed(recogniser, STORE, None, torch.device("cpu")).batch(np.array(indices), np.random.default_rng(0))
    return Objective(recogniser.transducer.eval(), ctc_weight)(batch).detach()


@pytest.mark.parametrize("ctc_weight", [0.0, 0.5])
def test_company_changes_no_loss(ctc_weight):
    alone = torch.cat([losses([i], ctc_weight) for i in range(6)])
    torch.testing.assert_close(losses([0, 1, 2, 3, 4, 5], ctc_weight), alone, atol=1e-3, rtol=1e-5)


def test_ctc_adds_to_the_transducer_loss():
    assert (losses([0, 1], 0.5) > losses([0, 1], 0.0)).all()


def test_frames_that_listen_write_nothing_and_the_others_still_hear_them():
    recogniser = tiny_recogniser()
    batch = Feed(recogniser, STORE, None, torch.device("cpu")).batch(np.array([0, 1]), np.random.default_rng(0))
    objective = Objective(recogniser.transducer.eval(), 0.5)
    whole, later = objective(batch).detach(), objective(batch, 3).detach()
    assert (later != whole).all()
    heard = recogniser.transducer(batch.features_BTM, batch.frame_lengths_B, batch.labels_BU)
    output = recogniser.transducer.joiner.output
    expected = rnnt(heard.frame_BTJ[:, 3:], heard.label_BUJ, output.weight, output.bias, batch.labels_BU,
                    heard.frame_lengths_B - 3, batch.label_lengths_B, blank=0)
    torch.testing.assert_close(Objective(recogniser.transducer, 0.0)(batch, 3), expected)


def test_a_short_utterance_keeps_three_quarters_of_its_frames():
    recogniser = tiny_recogniser()
    batch = Feed(recogniser, STORE, None, torch.device("cpu")).batch(np.array([0]), np.random.default_rng(0))
    quarter = int(recogniser.transducer.encoded_lengths(batch.frame_lengths_B)) // 4
    objective = Objective(recogniser.transducer.eval(), 0.5)
    assert torch.equal(objective(batch, 1000), objective(batch, quarter))


def test_more_labels_than_ctc_has_frames_for_leaves_the_transducer_loss():
    store = spoken_store(("on" * 20,))
    short = store.features(0)[:40]
    store.features = lambda i: short  # ten encoder frames for forty labels
    recogniser = tiny_recogniser()
    batch = Feed(recogniser, store, None, torch.device("cpu")).batch(np.array([0]), np.random.default_rng(0))
    found = [Objective(recogniser.transducer.eval(), weight)(batch).item() for weight in (0.0, 1.0)]
    assert found[0] == found[1]
    assert np.isfinite(found[0])


def test_a_batch_is_padded_with_what_the_model_takes_for_nothing():
    recogniser = tiny_recogniser()
    recogniser.transducer.set_normalisation(torch.full((8,), 3.0), torch.ones(8))
    batch = Feed(recogniser, STORE, None, torch.device("cpu")).batch(np.array([0, 1]), np.random.default_rng(0))
    assert batch.ids == ("r0", "r1")
    assert batch.frame_lengths_B.tolist() == [72, 108]
    assert (batch.features_BTM[0, 72:] == 3.0).all()
    assert batch.labels_BU[0].tolist() == [*recogniser.tokenizer.encode("yes no"), 0, 0, 0]


def test_masks_follow_the_generator():
    feed = Feed(tiny_recogniser(), STORE, MASKS, torch.device("cpu"))
    first, same, other = (feed.batch(np.array([0, 1]), np.random.default_rng(seed)).features_BTM for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
