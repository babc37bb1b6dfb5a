"""How much each speaker of a batch counts in the loss of the speaker encoder.

Tensor names: N speakers of a batch, M recordings of each, D embedding width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor


class Weighting(Protocol):
    """Gives weights, and may learn from the losses meanwhile."""

    def weigh(self, embeddings_NMD: Tensor, losses_N: Tensor, *, step: int) -> Tensor | None:
        """Weights (N,) of mean 1 without a gradient; None where all count alike.

        Args:
            embeddings_NMD: of the batch, of unit length and without a gradient.
            losses_N: finite and without a gradient.
            step: from 0.
        """
        ...

    def state_tensors(self) -> dict[str, Tensor]:
        """All that later weights depend on, beside what :meth:`weigh` is given."""
        ...

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state_tensors` returned."""
        ...

    def told(self) -> list[dict[str, Any]]:
        """Rows of the WEIGHING table: what was weighed how, by epoch and cluster."""
        ...


class Even:
    """Everyone counts alike."""

    def weigh(self, embeddings_NMD: Tensor, losses_N: Tensor, *, step: int) -> Tensor | None:
        """None."""
        return None

    def state_tensors(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Nothing to put back."""

    def told(self) -> list[dict[str, Any]]:
        """Nothing to tell."""
        return []


class Focal(Even):
    """Whoever is told apart badly counts more, by nothing but the loss itself.

    (1 - p)^gamma with p = exp(-loss), the probability of the right speaker (T.-Y. Lin et al., "Focal Loss", 2017),
    divided by its mean over the batch so that the learning rate stays what it is.
    """

    def __init__(self, gamma: float) -> None:
        self._gamma = gamma

    def weigh(self, embeddings_NMD: Tensor, losses_N: Tensor, *, step: int) -> Tensor | None:
        """Weights (N,); all 1 where nobody has a loss."""
        raw_N = (-torch.expm1(-losses_N.double())).clamp_min(0) ** self._gamma
        mean = raw_N.mean()
        return (raw_N / mean if mean > 0 else torch.ones_like(raw_N)).to(losses_N)
