"""Weights of speakers, and the game that finds them."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from evenvoice.params import Adversarial
from evenvoice.speakers.game import Game
from evenvoice.speakers.weighting import Focal

FORMS = ("pw", "pl", "random")


def settings(**changes) -> Adversarial:
    return Adversarial(**{"adversary": "linear", "hidden_units": 8, "clusters": 2, "learning_rate": 0.1,
                          "even_share": 0.5, "warmup_share": 0.0, **changes})


def game(form: str = "pw", *, batches: int = 4, steps: int = 200, seed: int = 0, **changes) -> Game:
    return Game(settings(**changes), form=form, embedding=3, batches_per_epoch=batches, steps=steps, seed=seed)


def batch(step: int, speakers: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Two kinds of voices, of which the second has four times the loss."""
    rng = np.random.default_rng(step)
    second = np.arange(speakers) % 2
    voices = np.where(second[:, None, None], [[[0.0, 1.0, 0.0]]], [[[1.0, 0.0, 0.0]]])
    noisy = torch.tensor(voices + rng.normal(0, 0.05, (speakers, 2, 3)), dtype=torch.float32)
    return functional.normalize(noisy, dim=-1), torch.tensor(1.0 + 3.0 * second, dtype=torch.float32)


def play(played: Game, steps: range) -> list[torch.Tensor]:
    return [played.weigh(*batch(step), step=step) for step in steps]


@pytest.mark.parametrize("form", FORMS)
def test_weights_have_mean_one(form):
    assert all(weights.mean().item() == pytest.approx(1.0, abs=1e-6) for weights in play(game(form), range(40)))


@pytest.mark.parametrize("form", ["pw", "pl"])
def test_weights_rise_where_the_losses_are(form):
    weights = play(game(form), range(120))[-1]
    assert (weights[1::2] > 1.2).all()
    assert (weights[::2] < 0.8).all()


def test_the_control_has_the_weights_of_the_pairwise_game_on_other_speakers():
    pairwise, control = play(game("pw"), range(120)), play(game("random"), range(120))
    for one, other in zip(pairwise, control, strict=True):
        assert one.sort().values.tolist() == pytest.approx(other.sort().values.tolist(), abs=1e-6)
    placed = torch.stack(control[60:]).mean(dim=0)
    assert (placed[1::2].mean() - placed[::2].mean()).abs() < 0.1


@pytest.mark.parametrize("form", FORMS)
def test_during_the_warm_up_everyone_counts_alike_and_the_adversary_learns(form):
    weights = play(game(form, warmup_share=0.5, steps=100), range(60))
    assert all((one == 1).all() for one in weights[:50])
    assert (weights[50] != 1).any()


def test_before_there_are_clusters_everyone_counts_alike():
    weights = play(game(batches=10), range(11))
    assert all((one == 1).all() for one in weights[:10])


def test_a_cluster_keeps_its_number_from_epoch_to_epoch():
    played, numbers = game(), []
    for step in range(40):
        played.weigh(*batch(step), step=step)
        if played._centroids_KD.numel():
            numbers.append(tuple(played._nearest(batch(step)[0][:2, -1]).tolist()))
    assert len(set(numbers)) == 1


def test_the_game_tells_weights_and_losses_by_epoch_and_cluster():
    played = game()
    play(played, range(80))
    rows = [row for row in played.told() if row["epoch"] > 10]
    heavy = max(rows, key=lambda row: row["loss"])
    light = min(rows, key=lambda row: row["loss"])
    assert heavy["weight"] > 1 > light["weight"]
    assert {row["speakers"] for row in rows} == {16}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stopped_after", [1, 6, 17])
def test_a_game_goes_on_from_its_state_bit_for_bit(form, stopped_after):
    whole, first, second = game(form), game(form), game(form)
    expected = play(whole, range(40))
    play(first, range(stopped_after))
    second.load_state_tensors({name: tensor.clone() for name, tensor in first.state_tensors().items()})
    found = play(second, range(stopped_after, 40))
    assert all(torch.equal(one, other) for one, other in zip(expected[stopped_after:], found, strict=True))
    assert second.told() == whole.told()


def test_voices_that_are_all_alike_still_play():
    same = torch.ones(8, 2, 3) / 3**0.5
    played = game()
    for step in range(10):
        weights = played.weigh(same, torch.ones(8), step=step)
    assert weights.tolist() == pytest.approx([1.0] * 8)


def test_focal_weights_follow_the_loss_and_have_mean_one():
    losses = torch.tensor([0.1, 1.0, 3.0])
    weights = Focal(2.0).weigh(torch.empty(3, 2, 4), losses, step=0)
    expected = (1 - torch.exp(-losses)) ** 2
    assert weights.tolist() == pytest.approx((expected / expected.mean()).tolist())


def test_focal_weights_of_nobody_with_a_loss_are_one():
    assert Focal(2.0).weigh(torch.empty(3, 2, 4), torch.zeros(3), step=0).tolist() == [1.0, 1.0, 1.0]


def test_without_a_slope_focal_weights_are_one():
    assert Focal(0.0).weigh(torch.empty(2, 2, 4), torch.tensor([0.5, 2.0]), step=0).tolist() == [1.0, 1.0]
