"""Worlds whose true WERs are known: speakers differ from each other, and their utterances resemble each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UTTERANCES = 8


@dataclass(frozen=True)
class World:
    """Speakers of one cohort: ``wer`` on average, with this coefficient of variation between speakers."""

    wer: float = 0.1
    variation: float = 0.7
    words_per_utterance: float = 8.0

    def utterances(self, speakers: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Errors and words, both (speakers, UTTERANCES)."""
        shape = 1 / self.variation**2
        rates = np.minimum(rng.gamma(shape, self.wer / shape, size=(speakers, 1)), 1)
        words = 1 + rng.poisson(self.words_per_utterance * rng.lognormal(-0.02, 0.2, size=(speakers, 1)),
                                size=(speakers, UTTERANCES))
        return rng.poisson(rates * words), words

    def speakers(self, speakers: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Errors and words, both (speakers,)."""
        errors, words = self.utterances(speakers, rng)
        return errors.sum(axis=1), words.sum(axis=1)
