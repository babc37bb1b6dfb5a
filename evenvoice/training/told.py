"""Which cohort a training tells the model of each recording's speaker, now and then leaving it out.

A model that is always told never learns to do without; where the cohort is left out, it learns what to make of a
speaker of whom none is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evenvoice.errors import ShapeError
from evenvoice.models.cohorts import KnownCohorts

COHORT_VECTORS: Final = "encoder.cohort_CS"
"""The parameter that holds them."""


@dataclass(frozen=True, kw_only=True)
class ToldCohorts:
    """Cohorts of the recordings of a store.

    Attributes:
        numbers: (recordings,) of every recording of the store; 0 where the speaker's cohort is not known.
        dropout: probability with which a recording's cohort is left out of a batch.
        rate: how many times the learning rate the vectors of cohorts take.
    """

    numbers: NDArray[np.int64]
    dropout: float
    rate: float

    def drawn(self, indices: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        """Cohorts (B,) of the recordings of a batch, some of them left out at random."""
        left_out_B = rng.random(len(indices)) < self.dropout
        return torch.from_numpy(np.where(left_out_B, 0, self.numbers[indices]))

    def check(self, *, recordings: int, known: KnownCohorts | None) -> None:
        """Refuse what does not fit a store of so many recordings and a model that knows these cohorts.

        Raises:
            ShapeError: not a number for each recording, or one that the model does not know.
        """
        if self.numbers.shape != (recordings,):
            raise ShapeError(name="cohorts that are told", rule=f"be {recordings}, one for each recording of the store",
                             value=f"shape {self.numbers.shape}", action="Number every recording, 0 for no cohort.")
        cohorts = 0 if known is None else len(known.names)
        if not ((self.numbers >= 0) & (self.numbers <= cohorts)).all():
            raise ShapeError(name="cohorts that are told", rule=f"be numbers from 0 to {cohorts}, known to the model",
                             value=f"{self.numbers.min()} to {self.numbers.max()}",
                             action="Train a model that was made for these cohorts (Recogniser.with_cohorts).")
