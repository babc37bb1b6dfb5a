"""The quadratic pull, on literal weights."""

import pytest
import torch

from evenvoice.errors import TrainingError
from evenvoice.mitigation.anchor import quadratic_anchor


def linear(weight: float, bias: float) -> torch.nn.Linear:
    module = torch.nn.Linear(1, 1)
    with torch.no_grad():
        module.weight.fill_(weight)
        module.bias.fill_(bias)
    return module


def test_an_unmoved_model_is_not_pulled() -> None:
    module = linear(1.0, 2.0)
    assert quadratic_anchor(module, weight=3.0, importance=None)(module).item() == 0


def test_without_importance_every_weight_counts_alike() -> None:
    penalty = quadratic_anchor(linear(1.0, 2.0), weight=3.0, importance=None)
    assert penalty(linear(1.5, 2.0)).item() == pytest.approx(0.5 * 3.0 * 0.5**2)
    assert penalty(linear(1.0, 2.5)).item() == pytest.approx(0.5 * 3.0 * 0.5**2)


def test_important_weights_are_held_harder() -> None:
    importance = {"weight": torch.tensor([[1.9]]), "bias": torch.tensor([0.1])}
    penalty = quadratic_anchor(linear(1.0, 2.0), weight=2.0, importance=importance)
    assert penalty(linear(2.0, 2.0)).item() == pytest.approx(1.9)
    assert penalty(linear(1.0, 3.0)).item() == pytest.approx(0.1)


def test_the_gradient_leads_back() -> None:
    moved = linear(2.0, 2.0)
    quadratic_anchor(linear(1.0, 2.0), weight=4.0, importance=None)(moved).backward()
    assert moved.weight.grad is not None
    assert moved.weight.grad.item() == pytest.approx(4.0)


def test_another_architecture_is_refused() -> None:
    penalty = quadratic_anchor(linear(1.0, 2.0), weight=1.0, importance=None)
    with pytest.raises(TrainingError, match="anchored model's parameters"):
        penalty(torch.nn.Linear(1, 1, bias=False))
