"""Additive angular margin softmax."""

import math

import pytest
import torch
from torch.nn import functional

from evenvoice.errors import ShapeError
from evenvoice.losses.additive_margin import AdditiveMargin


def embeddings(speakers: int = 3, recordings: int = 2, width: int = 4) -> torch.Tensor:
    torch.manual_seed(0)
    return functional.normalize(torch.randn(speakers, recordings, width), dim=-1)


def test_without_a_margin_it_is_a_softmax_over_cosines():
    criterion = AdditiveMargin(5, 4, margin=0.0, scale=10.0)
    given, speakers = embeddings(), torch.tensor([4, 0, 2])
    cosines = given @ functional.normalize(criterion.directions, dim=-1).T
    expected = functional.cross_entropy(10 * cosines.flatten(0, 1), speakers.repeat_interleave(2),
                                        reduction="none").reshape(3, 2).mean(dim=1)
    assert torch.allclose(criterion(given, speakers), expected, atol=1e-6)


def test_a_margin_is_added_to_the_angle():
    criterion = AdditiveMargin(2, 2, margin=0.3, scale=1.0)
    criterion.directions.data = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    angle = 0.5
    given = torch.tensor([[[math.cos(angle), math.sin(angle)]]])
    own, other = math.cos(angle + 0.3), math.sin(angle)
    assert criterion(given, torch.tensor([0])).item() == pytest.approx(-own + math.log(math.exp(own) + math.exp(other)))


def test_the_loss_falls_with_the_angle_everywhere():
    criterion = AdditiveMargin(2, 2, margin=0.5, scale=1.0)
    criterion.directions.data = torch.tensor([[1.0, 0.0], [0.0, -1.0]])
    angles = torch.linspace(0.0, math.pi, 200)
    given = torch.stack([angles.cos(), angles.sin()], dim=1)[:, None]
    own = torch.cat([criterion(one[None], torch.tensor([0])) + 0 * one.sum() for one in given])
    logits = torch.log(torch.exp(-own) / (1 - torch.exp(-own)).clamp_min(1e-9))
    nearer = logits + (given[:, 0] @ torch.tensor([0.0, -1.0]))
    assert (nearer.diff() < 1e-5).all()


def test_as_many_numbers_as_speakers_are_needed():
    with pytest.raises(ShapeError, match="one training speaker for each of N"):
        AdditiveMargin(5, 4)(embeddings(), torch.tensor([0, 1]))
