"""Whom the controls are about: speakers drawn without looking at who they are."""

from __future__ import annotations

import numpy as np

from evenvoice.mitigation.arm import Situation

STREAM = 0x91ACE  # keeps this draw apart from every other use of the seed
DRAWS = 256
TOLERANCE = 0.02


def random_speakers(situation: Situation) -> frozenset[str]:
    """As many training speakers as the worst cohorts have, with as much speech; the same for all controls.

    The first random group whose speech in seconds is that of the worst cohorts within ``TOLERANCE``; where none of
    ``DRAWS`` groups is, the one that comes closest.
    """
    store, indices = situation.store, situation.training_indices()
    speakers, of = np.unique(store.speakers[indices].astype(str), return_inverse=True)
    speech_S = np.bincount(of, weights=store.durations_s[indices])
    wanted = speech_S[np.isin(speakers, sorted(situation.bottom_speakers))].sum()
    rng = np.random.default_rng([situation.seed, STREAM])
    best, least = np.empty(0, np.int64), np.inf
    for _ in range(DRAWS):
        drawn = rng.choice(len(speakers), size=len(situation.bottom_speakers), replace=False)
        distance = abs(speech_S[drawn].sum() - wanted)
        if distance < least:
            best, least = drawn, distance
        if least <= TOLERANCE * wanted:
            break
    return frozenset(speakers[best].tolist())
