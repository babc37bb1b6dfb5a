"""Batches of crops of training recordings, and what is done to them so that no two are heard alike.

Tensor names: T frame, M mel band.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.features import centres_of
from evenvoice.errors import CorpusError
from evenvoice.params import Featurize, TrainSpeaker
from evenvoice.training.variants import at_speed, warped

STREAM: Final = 0x5BEA
"""Sets these random numbers apart from those of other stages with the same seed."""
QUIETEST_DB, LOUDEST_DB = 15.0, 0.0
"""Signal-to-noise ratios between which another voice is added [design]."""


@dataclass(frozen=True, kw_only=True)
class CropBatch:
    """Crops of N speakers times M recordings, speaker by speaker; ``shape`` is (N, M), ``speakers`` their numbers."""

    ids: list[str]
    speakers: list[int]
    features: list[NDArray[np.floating]]
    shape: tuple[int, int]


@dataclass(frozen=True)
class _Crop:
    recording: int
    start: int


class Crops:
    """Draws batches of crops: every train speaker comes up once before anyone comes up again.

    What the next batch holds follows from the seed and from how many were drawn, so a resumed training draws those of
    earlier steps once more without reading them (:meth:`skip`).

    Raises:
        CorpusError: fewer than two train speakers.
    """

    def __init__(self, store: FeatureStore, *, settings: TrainSpeaker, featurize: Featurize, seed: int) -> None:
        self._store, self._settings, self._seed = store, settings, seed
        self._frames = max(1, round(settings.crop_s * 1000 / featurize.hop_ms))
        self._centres_M = centres_of(featurize)
        self._rng = np.random.default_rng([seed, STREAM])
        self._indices = store.indices("train")
        names = store.speakers[self._indices].tolist()
        rows: dict[str, list[int]] = {}
        for index, name in zip(self._indices.tolist(), names, strict=True):
            rows.setdefault(name, []).append(index)
        self._recordings = [np.array(own, dtype=np.int64) for own in rows.values()]
        if len(self._recordings) < 2:
            raise CorpusError(name="the train split", rule="hold at least 2 speakers", value=len(self._recordings),
                              action="Bring more speakers, or give ingest.split.train a larger share.")
        self._speakers_per_batch = min(settings.speakers_per_batch, len(self._recordings))
        self._order = self._shuffled()
        self._drawn = 0

    @property
    def speakers(self) -> int:
        """How many train speakers there are."""
        return len(self._recordings)

    @property
    def shape(self) -> tuple[int, int]:
        """Speakers of a batch, and recordings of each; with fewer speakers than asked for, all of them."""
        return self._speakers_per_batch, self._settings.recordings_per_speaker

    @property
    def batches_per_epoch(self) -> int:
        """After so many, everyone was drawn whom whole batches hold."""
        return self.speakers // self._speakers_per_batch

    def draw(self) -> CropBatch:
        """The next batch."""
        speakers, crops = self._next()
        rng = np.random.default_rng([self._seed, STREAM, self._drawn])
        return CropBatch(ids=[str(self._store.ids[crop.recording]) for crop in crops], speakers=speakers,
                         features=[self._heard(crop, rng) for crop in crops], shape=self.shape)

    def skip(self, batches: int) -> None:
        """Pass over batches."""
        for _ in range(batches):
            self._next()

    def _next(self) -> tuple[list[int], list[_Crop]]:
        speakers = list(itertools.islice(self._order, self._speakers_per_batch))
        chosen = [int(index) for speaker in speakers for index in self._recordings_of(speaker)]
        self._drawn += 1
        return speakers, [_Crop(index, self._start(index)) for index in chosen]

    def _shuffled(self) -> Iterator[int]:
        while True:
            # what does not fill a batch waits for the next round, so that no speaker meets itself in a batch
            whole = len(self._recordings) // self._speakers_per_batch * self._speakers_per_batch
            yield from self._rng.permutation(len(self._recordings))[:whole].tolist()

    def _recordings_of(self, speaker: int) -> NDArray[np.int64]:
        """Different recordings where there are enough, else different crops of the same."""
        own, wanted = self._recordings[speaker], self._settings.recordings_per_speaker
        return self._rng.choice(own, wanted, replace=len(own) < wanted)

    def _start(self, recording: int) -> int:
        spare = int(self._store.frames[recording]) - self._frames
        return int(self._rng.integers(spare + 1)) if spare > 0 else 0

    def _heard(self, crop: _Crop, rng: np.random.Generator) -> NDArray[np.floating]:
        """The crop, at another speed and beside another voice where the settings say so."""
        settings = self._settings
        speed = 1 + settings.speed * float(rng.uniform(-1, 1))
        heard_TM = self._stretch(crop, round(self._frames * speed))
        if settings.speed:
            heard_TM = np.resize(warped(at_speed(heard_TM, speed), speed, self._centres_M),
                                 (self._frames, heard_TM.shape[1]))
        if rng.random() < settings.noise_share:
            other = int(rng.choice(self._indices))
            heard_TM = beside(heard_TM, self._stretch(_Crop(other, 0), self._frames),
                              rng.uniform(LOUDEST_DB, QUIETEST_DB))
        return heard_TM

    def _stretch(self, crop: _Crop, frames: int) -> NDArray[np.floating]:
        """So many frames from the crop's start; a recording that is too short is repeated until it is long enough."""
        features_TM = self._store.features(crop.recording)
        if len(features_TM) < frames:
            return np.resize(features_TM, (frames, features_TM.shape[1]))
        start = min(crop.start, len(features_TM) - frames)
        return features_TM[start:start + frames]


def beside(features_TM: NDArray[np.floating], noise_TM: NDArray[np.floating], snr_db: float) -> NDArray[np.float32]:
    """Log-mel features of a sum of two sounds, of which the second is ``snr_db`` weaker than the first.

    Powers of sounds that know nothing of each other add up, in the mean over their phases.
    """
    voice_TM, noise_TM = features_TM.astype(np.float32), noise_TM.astype(np.float32)
    level = float(np.log(np.exp(voice_TM).mean()) - np.log(np.exp(noise_TM).mean())) - snr_db * np.log(10) / 10
    both_TM: NDArray[np.float32] = np.logaddexp(voice_TM, noise_TM + np.float32(level))
    return both_TM
