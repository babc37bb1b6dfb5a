"""How exactly a GPU multiplies float32 matrices: TF32 is several times as fast and keeps 10 bits of each factor.

Sums stay float32. Whether that is good enough is measured once for each device: where a gradient of a fixed batch is
wrong by more than a thousandth, products stay plain. A processor's products are always plain, and so are those of
float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal

import torch
from torch import Tensor

Precision = Literal["plain", "tf32"]
LARGEST_ERROR: Final = 1e-3
"""Of a gradient, as a share of its largest element."""
CHOSEN: Final[dict[torch.device, Precision]] = {}
"""For each device that was asked about."""


def choice(device: torch.device, gradients: Callable[[Precision], Sequence[Tensor]]) -> Precision:
    """TF32 where its gradients are close to the plain ones.

    Args:
        device: a GPU; the choice is made once for each.
        gradients: of one and the same loss, with products of either precision.
    """
    if device not in CHOSEN:
        error = largest_error(gradients("tf32"), gradients("plain"))
        CHOSEN[device] = "tf32" if error <= LARGEST_ERROR else "plain"
    return CHOSEN[device]


def largest_error(found: Sequence[Tensor], true: Sequence[Tensor]) -> float:
    """Of all tensors, each in shares of its largest element; infinite where something is not a number."""
    errors = [float((one - other).abs().max() / other.abs().max()) for one, other in zip(found, true, strict=True)]
    return max(float("inf") if math.isnan(error) else error for error in errors)


@contextmanager
def multiplied(precision: Precision, device: torch.device) -> Iterator[None]:
    """Within, a GPU multiplies so; the process's own setting returns behind. A processor knows no difference."""
    if device.type == "cpu":
        yield
        return
    settings = torch.backends.cuda.matmul
    before = settings.fp32_precision
    settings.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        yield
    finally:
        settings.fp32_precision = before
