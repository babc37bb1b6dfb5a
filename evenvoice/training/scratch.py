"""An untrained recogniser for a corpus: the architecture that the parameters name, over the corpus's features."""

from __future__ import annotations

from typing import Final

import numpy as np

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.tokenizer import Tokenizer
from evenvoice.models.presets import architecture
from evenvoice.models.recogniser import Recogniser
from evenvoice.params import Params

SEED: Final = 4
"""Sets random numbers of training from nothing apart from those of other stages."""


def training_seed(seed: int) -> int:
    """The seed of weights, order, masks and dropout; trainings that differ in their speech alone share it."""
    return int(np.random.SeedSequence([seed, SEED]).generate_state(1)[0])


def untrained(params: Params, store: FeatureStore, tokenizer: Tokenizer, seed: int) -> Recogniser:
    """Build what `train` names; equal seeds give equal weights."""
    shape = architecture(params.train, n_mels=params.featurize.n_mels, vocabulary=tokenizer.size)
    return Recogniser.build(shape, tokenizer=tokenizer, featurize=params.featurize, mean=store.mean, std=store.std,
                            sample_rate=params.ingest.sample_rate, seed=seed)
