"""Recordings as other speakers might have said them: faster or slower, with a shorter or longer vocal tract.

Both are computed on stored log-mel features while batches are made. Speed stretches time and leaves pitch and formants
where they are. A vocal tract that is shorter by a share moves the spectrum up by it (L. Lee and R. Rose, "A Frequency
Warping Approach to Speaker Normalization", 1998), pitch included; bands beyond the edge repeat the last one.

Tensor names: T frame, M mel band.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.features import centres_of, hz_of, mel_of
from evenvoice.params import Featurize


@dataclass(frozen=True, eq=False, kw_only=True)
class Variants:
    """Which recordings are heard altered, and how far at most.

    Attributes:
        recordings: their indices in the feature store.
        speed: largest share by which one is faster or slower. A slower one is longer, and a batch of such by as much.
        warp: largest share by which a vocal tract is shorter or longer.
    """

    recordings: NDArray[np.int64]
    speed: float
    warp: float

    def identity(self) -> list[Any]:
        """All of it, for the fingerprint of a checkpoint."""
        return [self.recordings.tolist(), self.speed, self.warp]


class Altered:
    """Alters the recordings that ``variants`` names, each time another way."""

    def __init__(self, variants: Variants, featurize: Featurize) -> None:
        self._variants = variants
        self._recordings = frozenset(variants.recordings.tolist())
        self._centres_M = centres_of(featurize)

    def __call__(self, recording: int, features_TM: NDArray[np.floating], rng: np.random.Generator
                 ) -> NDArray[np.floating]:
        """``features_TM`` as they are, or a variant of them whose shares ``rng`` draws."""
        if recording not in self._recordings:
            return features_TM
        speed, warp = rng.uniform(-1, 1, 2) * (self._variants.speed, self._variants.warp)
        return warped(at_speed(features_TM, 1 + speed), 1 + warp, self._centres_M)


def at_speed(features_TM: NDArray[np.floating], speed: float) -> NDArray[np.float32]:
    """The same said ``speed`` times as fast: fewer frames where that is above 1, at least one."""
    frames = max(1, round(len(features_TM) / speed))
    return _between(features_TM, np.linspace(0, len(features_TM) - 1, frames))


def warped(features_TM: NDArray[np.floating], factor: float, centres_M: NDArray[np.float64]) -> NDArray[np.float32]:
    """The same with all frequencies ``factor`` times as high.

    Args:
        features_TM: log-mel features.
        factor: above 1 for a shorter vocal tract.
        centres_M: places of the bands on the mel scale, equally spaced.
    """
    sources_M = np.interp(mel_of(hz_of(centres_M) / factor), centres_M, np.arange(len(centres_M), dtype=np.float64))
    return _between(features_TM.T, sources_M).T


def _between(rows_RC: NDArray[np.floating], places_P: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rows at places between those of ``rows_RC``, (places, columns)."""
    below_P = places_P.astype(np.int64)
    above_P = np.minimum(below_P + 1, len(rows_RC) - 1)
    share_P1 = (places_P - below_P)[:, None].astype(np.float32)
    mixed_PC: NDArray[np.float32] = rows_RC[below_P] * (1 - share_P1) + rows_RC[above_P] * share_P1
    return mixed_PC
