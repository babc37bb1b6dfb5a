"""Cohort membership as an input of the model (arXiv 2207.11345): what an arm tells it of each speaker.

Everybody is trained on, as often and for as many steps as in other arms; all that differs between the arm and its
controls is which cohort is told of whom.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.schemas import HEARD, SPLITS
from evenvoice.mitigation.arm import Plan, Situation
from evenvoice.models.cohorts import KnownCohorts
from evenvoice.models.placement import Placement, Speaker
from evenvoice.models.recogniser import Recogniser
from evenvoice.origins import PLACED, RULES
from evenvoice.params import CohortInput
from evenvoice.storage import write_json
from evenvoice.training.told import ToldCohorts

STREAM = 0xC0407  # keeps this draw apart from every other use of the seed
EVERYONE = "everyone"


@dataclass(frozen=True, kw_only=True)
class Telling:
    """What a model is told.

    Attributes:
        known: the cohorts that it can be told apart.
        placement: what it is told of each speaker of the corpus, in training and ever after.
        rule: by which later speakers are placed alike; None where no rule does.
        settings: how it is told while it trains.
    """

    known: KnownCohorts
    placement: Placement
    rule: object
    settings: CohortInput

    def listener(self, base: Recogniser) -> Recogniser:
        """The base model, able to be told these cohorts."""
        return base.with_cohorts(self.known)

    def training(self, store: FeatureStore) -> ToldCohorts:
        """What it is told of training recordings."""
        numbers, indices = np.zeros(len(store), np.int64), store.indices("train")
        numbers[indices] = self.placement.numbers(self.known, store, indices)
        return ToldCohorts(numbers=numbers, dropout=self.settings.dropout, rate=self.settings.vector_rate)

    def write(self, directory: Path) -> None:
        """Put beside the model what it is to be told of whom: of speakers who are transcribed, and of later ones."""
        self.placement.of(HEARD).write(directory / PLACED)
        if self.rule is not None:
            write_json(directory / RULES, self.rule)


def telling_plan(situation: Situation, placement: Placement, names: tuple[str, ...], settings: CohortInput,
                 rule: object = None) -> Plan:
    """Train on everyone, and tell the cohorts ``names`` as ``placement`` has them, and ``rule`` places later ones."""
    known = KnownCohorts(method=situation.cohorts.method, names=names)
    return Plan(indices=situation.training_indices(),
                telling=Telling(known=known, placement=placement, rule=rule, settings=settings))


def shuffled(placement: Placement, seed: int) -> Placement:
    """Give speakers each other's cohorts, within each split, so that every cohort keeps its size there.

    A speaker keeps what was drawn. Whoever is in several splits is drawn in the first and is told the same in all.
    """
    rng = np.random.default_rng([seed, STREAM])
    drawn: dict[str, str | None] = {}
    for split in SPLITS:
        speakers = sorted(speaker for speaker, where in placement.cohort_of if where == split and speaker not in drawn)
        order = rng.permutation(len(speakers))
        drawn |= {speaker: placement.cohort_of[speakers[other], split]
                  for speaker, other in zip(speakers, order, strict=True)}
    return Placement({who: drawn[who[0]] for who in placement.cohort_of})


def constant(placement: Placement) -> Placement:
    """Tell the same of everyone."""
    told: dict[Speaker, str | None] = dict.fromkeys(placement.cohort_of, EVERYONE)
    return Placement(told)
