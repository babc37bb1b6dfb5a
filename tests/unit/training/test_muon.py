"""Muon makes a momentum's singular values equal, moves what lies inside an encoder, and resumes bit for bit."""

import pytest
import torch
from torch import nn

from evenvoice.training.muon import LARGE_AS_ADAMW, Muon, is_hidden, orthogonalised
from evenvoice.training.optimiser import AdamW
from tests.builders.models import tiny_recogniser


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def transformer(encoder="transformer"):
    return tiny_recogniser(encoder=encoder).transducer


def pushed(transducer, seed):
    for number, parameter in enumerate(transducer.parameters()):
        parameter.grad = random(*parameter.shape, seed=100 * seed + number)


@pytest.mark.parametrize("shape", [(3, 20, 7), (2, 8, 30), (1, 5, 5)])
def test_singular_values_become_nearly_equal_and_directions_stay(shape):
    given = random(*shape)
    found = orthogonalised(given)
    values = torch.linalg.svdvals(found)
    assert 0.6 < values.min() <= values.max() < 1.25
    left, _, right = torch.linalg.svd(given, full_matrices=False)
    across = left.mT @ found @ right.mT
    torch.testing.assert_close(across, torch.diag_embed(across.diagonal(dim1=-2, dim2=-1)), atol=1e-4, rtol=0.0)


def test_no_momentum_is_no_movement():
    assert torch.equal(orthogonalised(torch.zeros(2, 4, 3)), torch.zeros(2, 4, 3))


def test_matrices_of_the_blocks_are_moved_so_and_nothing_else():
    names = {name for name, parameter in transformer("amortized").named_parameters() if is_hidden(name, parameter)}
    assert {name.split(".", 5)[5] for name in names} == {
        "attention.project.weight", "attention.output.weight", "feed_forward.expand.weight",
        "feed_forward.contract.weight"}
    assert not [name for name in names if "arbitrator" in name]


def test_a_step_is_as_large_as_one_of_adamw_and_queries_keys_and_values_are_moved_apart():
    transducer = transformer()
    project = transducer.encoder.body.blocks.layers[0].attention.project.weight
    before, muon = project.detach().clone(), Muon(transducer, weight_decay=0.0)
    pushed(transducer, 1)
    muon.step(0.01)
    moved = before - project.detach()
    assert moved.square().mean().sqrt() == pytest.approx(0.01 * LARGE_AS_ADAMW, rel=0.2)
    for part in moved.chunk(3):
        values = torch.linalg.svdvals(part)
        assert values.min() > 0.5 * values.max()


def test_everything_else_takes_the_steps_of_adamw():
    ours, theirs = transformer(), transformer()
    muon = Muon(ours, 0.1)
    adamw = AdamW(theirs, 0.1)
    for step in range(3):
        for transducer, optimiser in ((ours, muon), (theirs, adamw)):
            pushed(transducer, step)
            optimiser.step(0.01)
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other) != is_hidden(name, one), name


def test_it_goes_on_from_its_saved_state_bit_for_bit():
    straight, stopped = transformer(), transformer()
    muon, halfway = Muon(straight, 0.1), {}
    for step in range(6):
        if step == 3:
            halfway = {name: tensor.clone() for name, tensor in muon.state_tensors().items()}
            stopped.load_state_dict(straight.state_dict())
        pushed(straight, step)
        muon.step(0.01)
    resumed = Muon(stopped, 0.1)
    resumed.load_state_tensors(halfway)
    for step in range(3, 6):
        pushed(stopped, step)
        resumed.step(0.01)
    assert all(torch.equal(one, other) for one, other in zip(straight.parameters(), stopped.parameters(), strict=True))


def test_what_is_frozen_stays():
    transducer = transformer()
    weight = transducer.encoder.body.blocks.layers[0].feed_forward.expand.weight.requires_grad_(False)
    before, muon = weight.clone(), Muon(transducer, 0.1)
    for parameter in transducer.parameters():
        parameter.grad = random(*parameter.shape) if parameter.requires_grad else None
    muon.step(0.01)
    assert torch.equal(weight, before)
    muon.zero_grad()
    assert all(parameter.grad is None for parameter in transducer.parameters())


def test_it_agrees_with_torch_optim():
    """Which orthogonalises in 16 bits, and whose momentum starts alike."""
    mine, theirs = transformer(), transformer()
    name = "encoder.body.blocks.layers.0.feed_forward.expand.weight"
    one, other = mine.get_parameter(name), theirs.get_parameter(name)
    reference = torch.optim.Muon([nn.Parameter(other)], lr=0.01, weight_decay=0.1, momentum=0.95,
                                 adjust_lr_fn="match_rms_adamw")
    [copied] = reference.param_groups[0]["params"]
    muon = Muon(mine, 0.1)
    for step in range(3):
        gradient = random(*one.shape, seed=step)
        pushed(mine, step)
        one.grad, copied.grad = gradient.clone(), gradient.clone()
        muon.step(0.01)
        reference.step()
    torch.testing.assert_close(one.detach(), copied.detach(), atol=3e-4, rtol=0.0)
