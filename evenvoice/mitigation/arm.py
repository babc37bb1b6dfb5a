"""What every arm is given, and what it may decide: which recordings, how often, how much each counts,
and what holds the weights back.

Steps, learning rate, batches and augmentation are the same for all arms, so that a difference between two of them is
the arm's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from evenvoice.data.feature_store import FeatureStore
from evenvoice.models.recogniser import Recogniser
from evenvoice.progress import Progress
from evenvoice.training.weighing import Weigher

Penalty = Callable[[nn.Module], Tensor]


@dataclass(frozen=True, kw_only=True)
class Situation:
    """The trained base model, the training speech and who is worst off.

    Attributes:
        recogniser: the base model, not yet changed.
        store: features of all recordings.
        bottom_speakers: training speakers of the worst cohorts.
        embeddings: the embedding of each training speaker that has one.
        ctc_weight: of the loss that the base model was trained with.
        seed: of everything random in the arm.
        progress: where long preparations report.
    """

    recogniser: Recogniser
    store: FeatureStore
    bottom_speakers: frozenset[str]
    embeddings: Mapping[str, NDArray[np.float64]]
    ctc_weight: float
    seed: int
    progress: Progress

    def training_indices(self) -> np.ndarray:
        """Indices of all training recordings."""
        return self.store.indices("train")

    def indices_of(self, speakers: frozenset[str]) -> np.ndarray:
        """Indices of the training recordings of ``speakers``."""
        everyone = self.training_indices()
        return everyone[np.isin(self.store.speakers[everyone].astype(str), sorted(speakers))]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An arm's decisions.

    Attributes:
        indices: recordings to train on.
        draw_weights: expected draws of each of them per epoch; None draws each once.
        penalty: added to the loss of every step; None adds nothing.
        weigher: says how much each recording of a batch counts in the loss; without one all count alike.
        identity: names penalty or weigher and its settings, so that a checkpoint of another one is never resumed.
    """

    indices: np.ndarray
    draw_weights: np.ndarray | None = None
    penalty: Penalty | None = None
    weigher: Weigher | None = None
    identity: str = ""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A mitigation, as the file of its name describes it.

    Attributes:
        title: its name for people.
        plan: looks at the situation and at the arm's own part of the section `arms`, and returns its plan.
        control: trained only to be compared with; never chosen.
    """

    title: str
    plan: Callable[[Situation, Any], Plan]
    control: bool = False
