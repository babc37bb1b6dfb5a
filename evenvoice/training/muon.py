"""Muon: matrices inside an encoder are moved by their momentum with all its singular values made equal.

    M <- 0.95 M + 0.05 G,  N = 0.05 G + 0.95 M,  W <- (1 - rate decay) W - rate 0.2 sqrt(max(rows, columns)) orth(N)

K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the factor, by which an update is as
large as AdamW's and takes the same rate: J. Liu et al., "Muon is Scalable for LLM Training", arXiv 2502.16982.
orth(N) is U V^T of N = U S V^T, near enough, by five steps of a polynomial in N N^T. A matrix that holds several, such
as those of queries, keys and values, counts as several.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from evenvoice.training.optimiser import AdamW

MOMENTUM: Final = 0.95
HIDDEN: Final = re.compile(r"encoder\.body\.blocks\..*\.weight")
"""Matrices of an encoder's blocks: what comes in, what goes out and tables are AdamW's, as in the paper."""
DECIDING: Final = "arbitrator"
"""In the names of networks that decide what works; they are small, and their last layer is an output."""
JOINED: Final = ".attention.project.weight"
"""Ends the name of what makes queries, keys and values at once."""
COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)
"""Of N, N N^T N and (N N^T)^2 N: pulls small singular values up fastest, and leaves all between 0.7 and 1.2."""
STEPS: Final = 5
LARGE_AS_ADAMW: Final = 0.2
BUFFER: Final = "momentum"


class Muon:
    """Moves the matrices of an encoder's blocks that need a gradient, and by AdamW everything else of a module.

    Args:
        module: whose parameters are trained.
        weight_decay: of the matrices.
        rates: as AdamW takes them.
    """

    def __init__(self, module: nn.Module, weight_decay: float, rates: Mapping[str, float] | None = None) -> None:
        self._parameters = {name: parameter for name, parameter in module.named_parameters()
                            if parameter.requires_grad and is_hidden(name, parameter)}
        self._weight_decay = weight_decay
        self._parts = {name: parameter.shape[0] // parameter.shape[1] if name.endswith(JOINED) else 1
                       for name, parameter in self._parameters.items()}
        self._momentum = {name: torch.zeros_like(parameter) for name, parameter in self._parameters.items()}
        self._others = AdamW(module, weight_decay, rates, left_out=self._parameters)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters.values():
            parameter.grad = None
        self._others.zero_grad()

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every parameter that has a gradient, matrices of one shape together."""
        self._others.step(learning_rate)
        alike: defaultdict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for name, parameter in self._parameters.items():
            if parameter.grad is None:
                continue
            momentum = self._momentum[name].lerp_(parameter.grad, 1 - MOMENTUM)
            ahead = parameter.grad.lerp(momentum, MOMENTUM)
            for piece, of in zip(parameter.chunk(self._parts[name]), ahead.chunk(self._parts[name]), strict=True):
                alike[piece.shape].append((piece, of))
        for shape, pieces in alike.items():
            updates = orthogonalised(torch.stack([of for _, of in pieces]))
            size = learning_rate * LARGE_AS_ADAMW * max(shape) ** 0.5
            for (piece, _), update in zip(pieces, updates, strict=True):
                piece.mul_(1 - learning_rate * self._weight_decay).add_(update, alpha=-size)

    def state_tensors(self) -> dict[str, Tensor]:
        """Momenta, and what AdamW keeps, as '<parameter>/<kind>'."""
        return {**self._others.state_tensors(),
                **{f"{name}/{BUFFER}": tensor.detach().cpu().contiguous() for name, tensor in self._momentum.items()}}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state_tensors` returned."""
        self._others.load_state_tensors(tensors)
        for name, tensor in self._momentum.items():
            tensor.copy_(tensors[f"{name}/{BUFFER}"])


def is_hidden(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a matrix inside an encoder, which Muon is for."""
    return parameter.ndim == 2 and DECIDING not in name and HIDDEN.fullmatch(name) is not None


def orthogonalised(matrices: Tensor) -> Tensor:
    """Of each matrix (..., rows, columns) U V^T, with singular values between 0.7 and 1.2 instead of 1; zeros stay."""
    wide = matrices.shape[-2] <= matrices.shape[-1]
    found: Tensor = matrices if wide else matrices.mT
    found = found / found.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-20)
    first, second, third = COEFFICIENTS
    for _ in range(STEPS):
        square = found @ found.mT
        found = first * found + (second * square + third * square @ square) @ found
    return found if wide else found.mT
