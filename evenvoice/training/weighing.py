"""How much each recording of a batch counts in its loss, where not all count alike.

Tensor names: B recording of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import Tensor


class Weigher(Protocol):
    """Gives weights to the recordings of a batch, and may learn from their losses meanwhile."""

    def weigh(self, ids: Sequence[str], losses_B: Tensor, *, step: int, steps: int) -> Tensor:
        """Weights (B,) of mean 1 without a gradient, where ``losses_B`` lie and of their type.

        Args:
            ids: the recordings.
            losses_B: their losses in nats per label, finite and without a gradient: per label, since the loss of a
                transducer grows with the length of what was said.
            step: from 0.
            steps: of the whole training.
        """
        ...

    def state_tensors(self) -> dict[str, Tensor]:
        """All that later weights depend on, beside what :meth:`weigh` is given."""
        ...

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state_tensors` returned."""
        ...


def effective_sample_size(weights_B: Tensor) -> float:
    """Recordings of equal weight that would average a loss as well: (sum w)^2 / sum w^2 (L. Kish, 1965).

    As many as there are where all weights are equal, 1 where one recording has all the weight.
    """
    weights_B = weights_B.double()
    return float(weights_B.sum().square() / weights_B.square().sum())
