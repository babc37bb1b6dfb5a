"""Independent random streams of one seed, so that more speakers or longer sentences leave the others unchanged."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a stream of random numbers is for."""

    POSTAL_CODES = 101
    SPEAKERS = 102
    SENTENCES = 103
    RECORDINGS = 104
    ROOMS = 105


def generator(seed: int, stream: Stream, *path: int) -> np.random.Generator:
    """Return the generator of one stream, e.g. of one speaker in it."""
    return np.random.default_rng([seed, stream, *path])
