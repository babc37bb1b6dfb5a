"""What every arm is given, and what it may decide: which recordings, how often, and what holds the weights back.

Steps, learning rate, batches and augmentation are the same for all arms, so that a difference between two of them is
the arm's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from evenvoice.data.feature_store import FeatureStore
from evenvoice.metrics.partitions import Partition
from evenvoice.models.placement import Placement
from evenvoice.models.recogniser import Recogniser
from evenvoice.progress import Progress
from evenvoice.training.told import ToldCohorts

if TYPE_CHECKING:
    from evenvoice.mitigation.telling import Telling

Penalty = Callable[[nn.Module], Tensor]


@dataclass(frozen=True, kw_only=True)
class Situation:
    """The trained base model, the training speech and who is worst off.

    Attributes:
        recogniser: the base model, not yet changed.
        store: features of all recordings.
        bottom_speakers: training speakers of the worst cohorts.
        cohorts: as discovery froze them.
        placement: the cohort of every speaker.
        rule: by which later speakers are placed, as discovery wrote it.
        ctc_weight: of the loss that the base model was trained with.
        seed: of everything random in the arm.
        progress: where long preparations report.
    """

    recogniser: Recogniser
    store: FeatureStore
    bottom_speakers: frozenset[str]
    cohorts: Partition
    placement: Placement
    rule: object
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
        identity: names the penalty and its settings, so that a checkpoint of another one is never resumed.
        telling: what the model is told of each speaker; None tells it nothing.
    """

    indices: np.ndarray
    draw_weights: np.ndarray | None = None
    penalty: Penalty | None = None
    identity: str = ""
    telling: Telling | None = None

    def learner(self, base: Recogniser) -> Recogniser:
        """The model to train: the base model, or a copy of it that can be told cohorts."""
        return base if self.telling is None else self.telling.listener(base)

    def told(self, store: FeatureStore) -> ToldCohorts | None:
        """What it is told while it trains."""
        return None if self.telling is None else self.telling.training(store)


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
