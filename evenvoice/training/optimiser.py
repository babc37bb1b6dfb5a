"""AdamW over the parameters of a module (I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", 2019).

PyTorch's fused kernel without ``torch.optim`` around it: constructing its AdamW imports the compiler, which takes
longer than a tenth of a fine-tuning.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.98)
"""A second moment of about 50 steps: the giant gradients of the first ones are soon forgotten."""
EPSILON = 1e-8
MEAN, VARIANCE, STEPS = "mean", "variance", "steps"


class AdamW:
    """Shrinks matrices but neither biases nor normalisation gains, and touches nothing that needs no gradient.

    Args:
        module: whose parameters are trained.
        weight_decay: of the matrices.
        rates: how many times the learning rate a parameter takes, by its name; 1 where it is not named.
        left_out: names of parameters that another optimiser moves.
    """

    def __init__(self, module: nn.Module, weight_decay: float, rates: Mapping[str, float] | None = None,
                 left_out: Collection[str] = ()) -> None:
        self._parameters = {name: parameter for name, parameter in module.named_parameters()
                            if parameter.requires_grad and name not in left_out}
        self._weight_decay = weight_decay
        self._rates = dict(rates or {})
        self._state = {name: {MEAN: torch.zeros_like(parameter), VARIANCE: torch.zeros_like(parameter),
                              STEPS: torch.zeros((), device=parameter.device)}
                       for name, parameter in self._parameters.items()}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every parameter that has a gradient."""
        for rate in sorted({1.0, *self._rates.values()}):
            for decay, of_kind in ((self._weight_decay, _is_matrix), (0.0, _is_vector)):
                gradients = {name: parameter.grad for name, parameter in self._parameters.items()
                             if of_kind(parameter) and parameter.grad is not None
                             and self._rates.get(name, 1.0) == rate}
                if gradients:
                    self._update(gradients, rate * learning_rate, decay)

    def _update(self, gradients: dict[str, Tensor], learning_rate: float, decay: float) -> None:
        states = [self._state[name] for name in gradients]
        torch._foreach_add_([state[STEPS] for state in states], 1)
        torch._fused_adamw_(
            [self._parameters[name] for name in gradients], list(gradients.values()),
            [state[MEAN] for state in states], [state[VARIANCE] for state in states], [],
            [state[STEPS] for state in states], lr=learning_rate, beta1=BETAS[0], beta2=BETAS[1], weight_decay=decay,
            eps=EPSILON, amsgrad=False, maximize=False)

    def state_tensors(self) -> dict[str, Tensor]:
        """Moments and step counts as '<parameter>/<kind>'."""
        return {f"{name}/{kind}": tensor.detach().cpu().contiguous()
                for name, state in self._state.items() for kind, tensor in state.items()}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state_tensors` returned."""
        for name, state in self._state.items():
            for kind, tensor in state.items():
                tensor.copy_(tensors[f"{name}/{kind}"])


def _is_matrix(parameter: Tensor) -> bool:
    return parameter.ndim > 1


def _is_vector(parameter: Tensor) -> bool:
    return not _is_matrix(parameter)
