"""A quadratic pull towards the base model: (weight / 2) * sum_i importance_i * (theta_i - theta*_i)^2.

With importance 1 this is L2-SP; with Fisher information it is elastic weight consolidation (arXiv 2207.07850).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from evenvoice.errors import TrainingError
from evenvoice.mitigation.arm import Penalty


def quadratic_anchor(module: nn.Module, *, weight: float, importance: Mapping[str, Tensor] | None) -> Penalty:
    """Remember ``module``'s weights now and return the pull back to them.

    Args:
        module: the base model, in its trained state.
        weight: lambda of the formula above.
        importance: a tensor of each parameter's shape by its name; None means 1 everywhere.

    Raises:
        TrainingError: (from the penalty) the module it is applied to has other parameters than the remembered one.
    """
    anchors = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}

    def penalty(current: nn.Module) -> Tensor:
        parameters = dict(current.named_parameters())
        if parameters.keys() != anchors.keys():
            raise TrainingError(name="the penalised model", rule="have the anchored model's parameters",
                                value=sorted(parameters.keys() ^ anchors.keys()),
                                action="Pass the model that was anchored.")
        pulls = [_pull(parameters[name], anchor, None if importance is None else importance[name])
                 for name, anchor in anchors.items()]
        return 0.5 * weight * torch.stack(pulls).sum()

    return penalty


def _pull(parameter: Tensor, anchor: Tensor, importance: Tensor | None) -> Tensor:
    squared = (parameter - anchor.to(parameter.device)).square()
    return squared.sum() if importance is None else (importance.to(parameter.device) * squared).sum()
