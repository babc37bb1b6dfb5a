"""The angular prototypical loss against a worked example, and its gradient."""

import math

import pytest
import torch

from evenvoice.errors import ShapeError
from evenvoice.losses.angular_prototypical import AngularPrototypical

# two speakers, two recordings each: the first is the prototype, the second the query
EMBEDDINGS = torch.tensor([[[1.0, 0.0], [1.0, 0.0]],
                           [[0.0, 1.0], [0.6, 0.8]]])


def test_the_loss_of_each_speaker_is_that_of_the_worked_example():
    losses = AngularPrototypical(scale=2.0, bias=-1.0)(EMBEDDINGS)
    # first query: cosines 1 and 0; second query: cosines 0.6 and 0.8
    first = -math.log(math.exp(2 * 1 - 1) / (math.exp(2 * 1 - 1) + math.exp(2 * 0 - 1)))
    second = -math.log(math.exp(2 * 0.8 - 1) / (math.exp(2 * 0.6 - 1) + math.exp(2 * 0.8 - 1)))
    assert losses.tolist() == pytest.approx([first, second])


def test_the_prototype_is_the_mean_of_all_recordings_but_the_last():
    three = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [[-1.0, 0.0], [0.0, -1.0], [-1.0, -1.0]]])
    losses = AngularPrototypical(scale=1.0, bias=0.0)(three)
    assert losses.tolist() == pytest.approx([math.log(1 + math.exp(-2))] * 2)


def test_only_directions_count():
    loss = AngularPrototypical()
    assert torch.allclose(loss(EMBEDDINGS), loss(EMBEDDINGS * 7.0))


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    loss = AngularPrototypical().double()
    embeddings_NMD = torch.randn(3, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (embeddings_NMD,))


def test_the_scale_is_learned_and_stays_positive():
    loss = AngularPrototypical(scale=0.01)
    optimiser = torch.optim.SGD(loss.parameters(), lr=10.0)
    wrong_way = EMBEDDINGS[:, [0, 1]].clone()
    wrong_way[:, 1] = wrong_way[[1, 0], 1]
    for _ in range(20):
        optimiser.zero_grad()
        loss(wrong_way).mean().backward()
        optimiser.step()
    assert 0 < loss.log_scale.exp().item() < 0.01


def test_a_single_speaker_is_refused():
    with pytest.raises(ShapeError, match="at least 2 speakers"):
        AngularPrototypical()(EMBEDDINGS[:1])
