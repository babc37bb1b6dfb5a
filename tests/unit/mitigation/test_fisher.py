"""Fisher information, checked against gradients taken one utterance at a time by hand."""

import numpy as np
import pytest
import torch

from evenvoice.data.feature_store import FeatureStore
from evenvoice.mitigation.fisher import fisher_information
from evenvoice.models.recogniser import Recogniser
from evenvoice.progress import Progress
from evenvoice.training.feed import Feed
from evenvoice.training.objective import Objective
from tests.builders.models import spoken_store, tiny_recogniser


def fisher(recogniser: Recogniser, store: FeatureStore, indices: list[int], utterances: int = 10,
           seed: int = 1) -> dict[str, torch.Tensor]:
    return fisher_information(recogniser, store, np.array(indices), utterances=utterances, ctc_weight=0.5, seed=seed,
                              progress=Progress("fisher"))


def squared_gradients(recogniser: Recogniser, store: FeatureStore, index: int) -> torch.Tensor:
    batch = Feed(recogniser, store, None, torch.device("cpu")).batch(np.array([index]), np.random.default_rng(0))
    recogniser.transducer.zero_grad()
    (Objective(recogniser.transducer.eval(), 0.5)(batch).sum() / batch.labels).backward()
    return torch.cat([parameter.grad.flatten() for parameter in recogniser.transducer.parameters()
                      if parameter.grad is not None]).square()


def test_it_is_the_mean_of_squared_gradients_not_the_square_of_the_mean() -> None:
    recogniser, store = tiny_recogniser(), spoken_store()
    expected = squared_gradients(recogniser, store, 0) + squared_gradients(recogniser, store, 3)
    found = torch.cat([tensor.flatten() for tensor in fisher(recogniser, store, [0, 3]).values()])
    torch.testing.assert_close(found, expected / expected.mean(), rtol=1e-4, atol=1e-6)


def test_its_mean_over_all_weights_is_one() -> None:
    found = fisher(tiny_recogniser(), spoken_store(), [0, 1, 2])
    assert abs(torch.cat([tensor.flatten() for tensor in found.values()]).mean().item() - 1) < 1e-5


def test_dropout_plays_no_part() -> None:
    store = spoken_store()
    with_dropout = fisher(tiny_recogniser(dropout=0.5), store, [0, 1])
    without = fisher(tiny_recogniser(), store, [0, 1])
    assert all(torch.equal(with_dropout[name], without[name]) for name in without)


def test_the_weights_stay_as_they_are() -> None:
    recogniser = tiny_recogniser()
    before = [parameter.detach().clone() for parameter in recogniser.transducer.parameters()]
    fisher(recogniser, spoken_store(), [0, 1])
    assert all(torch.equal(old, new) for old, new in zip(before, recogniser.transducer.parameters(), strict=True))


def test_neither_the_number_of_threads_nor_who_goes_first_changes_a_bit() -> None:
    texts = [f"{first} {second}" for first in ("yes", "no", "one", "two") for second in ("yes", "no", "one", "two")] * 3
    recogniser, store = tiny_recogniser(encoder="lstm"), spoken_store(texts)
    before = torch.get_num_threads()
    found = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        found.append(fisher(recogniser, store, list(range(len(texts))), utterances=40))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)

    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize("encoder", ["lstm", "convrnnt", "conformer", "transformer", "contextnet"])
def test_it_is_what_a_plain_loop_over_recordings_gives(encoder: str) -> None:
    recogniser, store = tiny_recogniser(encoder=encoder), spoken_store()
    expected = torch.stack([squared_gradients(recogniser, store, index) for index in range(6)]).mean(0)
    recogniser.transducer.zero_grad()

    found = torch.cat([tensor.flatten() for tensor in fisher(recogniser, store, list(range(6))).values()])

    torch.testing.assert_close(found, expected / expected.mean(), rtol=1e-4, atol=1e-6)
