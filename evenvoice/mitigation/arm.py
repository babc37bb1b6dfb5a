"""What every arm is given, and what it may decide: which recordings, how often, how much each counts,
and what holds the weights back.

Trials, that is steps and learning rates, batches and masks are the same for all arms, so that a difference between two
of them is the arm's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from evenvoice.data.feature_store import FeatureStore
from evenvoice.metrics.partitions import Partition
from evenvoice.models.placement import Placement
from evenvoice.models.recogniser import Recogniser
from evenvoice.progress import Progress
from evenvoice.training.told import ToldCohorts
from evenvoice.training.variants import Variants
from evenvoice.training.weighing import Weigher

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
        embeddings: the embedding of each training speaker that has one.
        population_share: share of those cohorts among the discover and validate speakers.
        cohorts: as discovery froze them.
        placement: the cohort of every speaker.
        rule: by which later speakers are placed, as discovery wrote it.
        ctc_weight: of the loss that the base model was trained with.
        seed: of everything random in the arm.
        progress: where long preparations report.
        trial: number of the trial that is planned, from 0.
    """

    recogniser: Recogniser
    store: FeatureStore
    bottom_speakers: frozenset[str]
    embeddings: Mapping[str, NDArray[np.float64]]
    population_share: float
    cohorts: Partition
    placement: Placement
    rule: object
    ctc_weight: float
    seed: int
    progress: Progress
    trial: int = 0

    def training_indices(self) -> np.ndarray:
        """Indices of all training recordings."""
        return self.store.indices("train")

    def indices_of(self, speakers: frozenset[str]) -> np.ndarray:
        """Indices of the training recordings of ``speakers``."""
        everyone = self.training_indices()
        chosen: np.ndarray = everyone[self.is_of(speakers)]
        return chosen

    def is_of(self, speakers: frozenset[str]) -> np.ndarray:
        """Of each training recording, whether one of ``speakers`` speaks."""
        return np.isin(self.store.speakers[self.training_indices()].astype(str), sorted(speakers))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An arm's decisions.

    Attributes:
        indices: recordings to train on.
        draw_weights: expected draws of each of them per epoch; None draws each once.
        groups: group of each of them; every batch holds the groups in the proportion in which they are drawn.
        variants: recordings that are altered whenever they are drawn.
        frozen: names of parameters that stay as they are.
        penalty: added to the loss of every step; None adds nothing.
        weigher: says how much each recording of a batch counts in the loss; without one all count alike.
        identity: names penalty or weigher and all that they are made of, so that a checkpoint of another one is never
            resumed.
        telling: what the model is told of each speaker; None tells it nothing.
        choice: what the arm took for this trial from a list of its own, for people.
    """

    indices: np.ndarray
    draw_weights: np.ndarray | None = None
    groups: np.ndarray | None = None
    variants: Variants | None = None
    frozen: frozenset[str] = frozenset()
    penalty: Penalty | None = None
    weigher: Weigher | None = None
    identity: str = ""
    telling: Telling | None = None
    choice: Mapping[str, float] = field(default_factory=dict)

    def learner(self, base: Recogniser) -> Recogniser:
        """The model to train: the base model, or a copy of it that can be told cohorts."""
        return base if self.telling is None else self.telling.listener(base)

    def told(self, store: FeatureStore) -> ToldCohorts | None:
        """What it is told while it trains."""
        return None if self.telling is None else self.telling.training(store)

    @property
    def placement(self) -> Placement | None:
        """The cohort that it is told of each speaker; None where it is told nothing."""
        return None if self.telling is None else self.telling.placement


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A mitigation, as the file of its name describes it.

    Attributes:
        title: its name for people.
        plan: looks at the situation and at the arm's own part of the section `arms`, and returns its plan. None where
            nothing is trained, and a stage of its own makes the model.
        control: trained only to be compared with; never chosen.
        per_trial: whether the plan depends on the trial; otherwise one serves all of them.
    """

    title: str
    plan: Callable[[Situation, Any], Plan] | None
    control: bool = False
    per_trial: bool = False
