"""The adversary: whom it comes to weigh heavily, and what its weights always are."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evenvoice.training.adversary import Adversary
from evenvoice.training.weighing import effective_sample_size

GROUPS = torch.eye(3)[[0, 0, 0, 0, 0, 1, 1, 2, 2, 2]]
"""Ten samples of three groups."""
SERVED_BADLY = 1


def adversary(*, hidden_units: int = 0, even_share: float = 0.5, features: int = 3, seed: int = 1) -> Adversary:
    return Adversary(features=features, hidden_units=hidden_units, even_share=even_share, learning_rate=0.05, seed=seed)


def losses(step: int) -> torch.Tensor:
    """Noisy ones; those of one group are half as large again in the mean."""
    noise_B = torch.rand(len(GROUPS), generator=torch.Generator().manual_seed(step))
    return (0.5 + noise_B) * (1 + 0.5 * GROUPS[:, SERVED_BADLY])


def played(one: Adversary, steps: int = 100) -> Adversary:
    for step in range(steps):
        one.weigh(GROUPS, losses(step))
    return one


@pytest.mark.parametrize("hidden_units", [0, 8], ids=["linear", "hidden"])
def test_a_group_whose_loss_stays_higher_comes_to_weigh_more_than_the_others(hidden_units: int) -> None:
    weights_G = played(adversary(hidden_units=hidden_units)).weights(torch.eye(3))
    first, badly, third = weights_G.tolist()
    assert badly > 1.2
    assert first < 1
    assert third < 1


def test_no_weight_falls_below_the_even_share() -> None:
    assert played(adversary(even_share=0.8), steps=400).weights(GROUPS).min() >= 0.8


def test_with_an_even_share_of_one_all_weights_are_one() -> None:
    assert played(adversary(even_share=1.0)).weights(GROUPS).tolist() == [1.0] * 10


@pytest.mark.parametrize("hidden_units", [0, 8], ids=["linear", "hidden"])
def test_samples_that_are_described_alike_weigh_alike(hidden_units: int) -> None:
    one = adversary(hidden_units=hidden_units)
    everyone_BF = torch.ones(10, 3)
    for step in range(50):
        assert torch.equal(one.weigh(everyone_BF, losses(step)).float(), torch.ones(10))


def test_before_it_has_learned_all_weights_are_one() -> None:
    for hidden_units in (0, 8):
        assert adversary(hidden_units=hidden_units).weights(GROUPS).float().tolist() == [1.0] * 10


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_teaches_it_nothing(bad: float) -> None:
    one = played(adversary(), steps=20)
    before = one.weights(GROUPS)
    poisoned_B = losses(20)
    poisoned_B[3] = bad
    one.weigh(GROUPS, poisoned_B)
    assert torch.equal(one.weights(GROUPS), before)


def test_it_goes_on_from_its_saved_state_bit_for_bit() -> None:
    straight = played(adversary(hidden_units=8), steps=30)
    saved = straight.state_tensors()
    played(straight, steps=20)
    resumed = adversary(hidden_units=8, seed=2)
    resumed.load_state_tensors(saved)
    assert torch.equal(played(resumed, steps=20).weights(GROUPS), straight.weights(GROUPS))


def test_making_one_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    adversary(hidden_units=8)
    assert torch.equal(torch.rand(3), expected)


@settings(max_examples=60)
@given(rows=st.lists(st.tuples(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3), st.floats(0, 1e6)),
                     min_size=1, max_size=12), hidden_units=st.sampled_from([0, 4]))
def test_weights_are_positive_and_of_mean_one_whatever_the_losses(rows: list[tuple[list[float], float]],
                                                                  hidden_units: int) -> None:
    one = adversary(hidden_units=hidden_units)
    features_BF = torch.tensor([features for features, _ in rows])
    losses_B = torch.tensor([loss for _, loss in rows])
    for _ in range(5):
        weights_B = one.weigh(features_BF, losses_B)
        assert weights_B.mean().item() == pytest.approx(1, abs=1e-12)
        assert weights_B.min() >= 0.5
        assert 1 <= effective_sample_size(weights_B) * (1 + 1e-12) <= len(rows) * (1 + 2e-12)


@pytest.mark.parametrize(("weights_B", "size"), [([1.0, 1.0, 1.0, 1.0], 4.0), ([2.0, 2.0, 0.0, 0.0], 2.0),
                                                 ([4.0, 0.0, 0.0, 0.0], 1.0), ([1.5, 0.5], 1.6)])
def test_the_effective_sample_size_is_that_of_the_batch_for_equal_weights_and_falls_when_they_are_not(
        weights_B: list[float], size: float) -> None:
    assert effective_sample_size(torch.tensor(weights_B)) == pytest.approx(size)
