"""AdamW without torch.optim takes torch.optim's steps."""

import torch
from torch import nn

from evenvoice.training.optimiser import AdamW


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def loss(module: nn.Module, step: int) -> torch.Tensor:
    return module(torch.randn(5, 3, generator=torch.Generator().manual_seed(step))).square().mean()


def test_takes_the_steps_of_torch_optim():
    ours, theirs = small(), small()
    mine = AdamW(ours, weight_decay=0.1)
    reference = torch.optim.AdamW([{"params": [theirs[0].weight, theirs[2].weight], "weight_decay": 0.1},
                                   {"params": [theirs[0].bias, theirs[2].bias], "weight_decay": 0.0}], lr=0.01,
                                  betas=(0.9, 0.98))
    for step in range(20):
        for module, optimiser in ((ours, mine), (theirs, reference)):
            optimiser.zero_grad()
            loss(module, step).backward()
        mine.step(0.01)
        reference.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_goes_on_from_its_saved_state_bit_for_bit():
    straight, stopped = small(), small()
    optimiser = AdamW(straight, weight_decay=0.1)
    halfway = {}
    for step in range(6):
        if step == 3:
            halfway = {name: tensor.clone() for name, tensor in optimiser.state_tensors().items()}
            stopped.load_state_dict(straight.state_dict())
        optimiser.zero_grad()
        loss(straight, step).backward()
        optimiser.step(0.01)
    resumed = AdamW(stopped, weight_decay=0.1)
    resumed.load_state_tensors(halfway)
    for step in range(3, 6):
        resumed.zero_grad()
        loss(stopped, step).backward()
        resumed.step(0.01)
    assert all(torch.equal(one, other) for one, other in zip(straight.parameters(), stopped.parameters(), strict=True))


def test_a_named_parameter_takes_a_multiple_of_the_rate():
    def moved(rates):
        module = small()
        before = {name: parameter.clone() for name, parameter in module.named_parameters()}
        optimiser = AdamW(module, weight_decay=0.0, rates=rates)
        loss(module, 0).backward()
        optimiser.step(0.01)
        return {name: parameter - before[name] for name, parameter in module.named_parameters()}

    plain, changed = moved(None), moved({"0.weight": 5.0})
    torch.testing.assert_close(changed.pop("0.weight"), 5 * plain.pop("0.weight"))
    assert all(torch.equal(changed[name], plain[name]) for name in plain)


def test_a_parameter_without_gradient_stays():
    module = small()
    before = module[2].weight.clone()
    optimiser = AdamW(module, weight_decay=0.5)
    module[0].weight.grad = torch.ones_like(module[0].weight)
    optimiser.step(0.01)
    assert torch.equal(module[2].weight, before)
