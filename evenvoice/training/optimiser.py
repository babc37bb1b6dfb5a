"""AdamW over a module, and its state as named tensors for a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def adamw(module: nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """AdamW that shrinks matrices but neither biases nor normalisation gains."""
    matrices = [parameter for parameter in module.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in module.parameters() if parameter.ndim <= 1]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": weight_decay},
                              {"params": vectors, "weight_decay": 0.0}], lr=0.0, fused=True)


def set_learning_rate(optimiser: torch.optim.Optimizer, learning_rate: float) -> None:
    """For all parameters, from the next step on."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate


def state_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments and step counts by '<parameter number>/<kind>'."""
    return {f"{number}/{kind}": value.detach().cpu().contiguous()
            for number, kinds in optimiser.state_dict()["state"].items() for kind, value in kinds.items()}


def load_state_tensors(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what :func:`state_tensors` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, kind = name.split("/")
        state.setdefault(int(number), {})[kind] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
