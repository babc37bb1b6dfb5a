"""The people of the world: each is one fixed draw of place, voice and surroundings from their region's conditions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from evenvoice.data.corpora.synthetic import voices, world
from evenvoice.data.corpora.synthetic.census import PostalCode
from evenvoice.data.corpora.synthetic.streams import Stream, generator
from evenvoice.data.corpora.synthetic.world import Conditions, Region
from evenvoice.data.schemas import SPLITS

_AGE_BANDS: Final[Mapping[str, float]] = {"18-29": 0.22, "30-44": 0.28, "45-59": 0.26, "60+": 0.24}
_HOUSES_WITHIN = 0.2
"""People live within this part of the region's half-extents of their postal code's centre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A made-up person; recordings vary a little around these values."""

    index: int
    split: str
    region: str
    postal_code: str
    lat: float
    lon: float
    gender: str
    age_band: str
    accent: str
    """espeak-ng language voice."""
    variant: str
    """espeak-ng voice variant."""
    rate_wpm: float
    pitch: float
    pitch_range: float
    vocal_tract: float
    """Length relative to the variant's own: formants and pitch fall as it grows."""
    noise: str
    snr_db: float
    rt60_s: float
    direct_to_reverberant_db: float
    low_hz: float
    high_hz: float
    level_dbfs: float

    @property
    def key(self) -> str:
        """The corpus's name of this speaker."""
        return f"synthetic-{self.index:05d}"


def population(*, speakers: int, seed: int, difficulty: float, disparity: float,
               codes: tuple[tuple[PostalCode, ...], ...]) -> Iterator[Speaker]:
    """Yield all speakers, split by split and region by region, with shares as exact as whole people allow."""
    index = 0
    for split, in_split in zip(SPLITS, apportion(speakers, [world.SPLIT_SHARES[s] for s in SPLITS]), strict=True):
        for where, in_region in enumerate(apportion(in_split, world.speaker_shares(split, disparity))):
            for _ in range(in_region):
                yield _draw(index, split, world.REGIONS[where], codes[where], seed=seed, difficulty=difficulty,
                            disparity=disparity)
                index += 1


def apportion(total: int, shares: list[float] | tuple[float, ...]) -> list[int]:
    """Divide ``total`` by ``shares`` into whole numbers (largest remainder; ties go to the first)."""
    quotas = np.asarray(shares) / sum(shares) * total
    counts = np.floor(quotas + 1e-9).astype(int)
    missing = total - int(counts.sum())
    counts[np.argsort(counts - quotas, kind="stable")[:missing]] += 1
    return [int(count) for count in counts]


def _draw(index: int, split: str, region: Region, codes: tuple[PostalCode, ...], *, seed: int, difficulty: float,
          disparity: float) -> Speaker:
    rng = generator(seed, Stream.SPEAKERS, index)
    conditions = world.planted(region, disparity)
    home = codes[rng.integers(len(codes))]
    gender = ("female", "male")[rng.integers(2)]
    variants = voices.FEMALE if gender == "female" else voices.MALE
    age_band = _pick(_AGE_BANDS, rng)
    low_hz, high_hz = _line(conditions, home, rng, difficulty=difficulty, disparity=disparity)
    return Speaker(
        index=index, split=split, region=region.name, postal_code=home.code,
        lat=home.lat + region.half_height_deg * _HOUSES_WITHIN * rng.uniform(-1, 1),
        lon=home.lon + region.half_width_deg * _HOUSES_WITHIN * rng.uniform(-1, 1),
        gender=gender, age_band=age_band,
        accent=_accent(conditions, home, rng, disparity),
        variant=variants[rng.integers(len(variants))],
        rate_wpm=_rate(conditions, age_band, rng),
        pitch=_within(rng.normal(world.PITCH_MEAN, world.PITCH_SPREAD), world.PITCH_LIMITS),
        pitch_range=_within(rng.normal(world.PITCH_MEAN, world.PITCH_SPREAD), world.PITCH_LIMITS),
        vocal_tract=round(_within(rng.normal(1, world.VOCAL_TRACT_SPREAD), world.VOCAL_TRACT_LIMITS), 2),
        noise=_pick(conditions.noises, rng),
        snr_db=_snr(conditions, home, rng, disparity) - in_db(difficulty),
        rt60_s=difficulty * _within(conditions.rt60_s * math.exp(rng.normal(0, world.RT60_LOG_SPREAD)),
                                    world.RT60_RANGE_S),
        direct_to_reverberant_db=rng.normal(conditions.direct_to_reverberant_db, world.DIRECT_SPREAD_DB)
        - in_db(difficulty),
        low_hz=low_hz, high_hz=high_hz,
        level_dbfs=rng.normal(world.LEVEL_DBFS, world.LEVEL_SPREAD_DB))


def in_db(amplitude: float) -> float:
    """Return an amplitude ratio in decibels; 0 is minus infinity."""
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf


def _line(conditions: Conditions, home: PostalCode, rng: np.random.Generator, *, difficulty: float,
          disparity: float) -> tuple[float, float]:
    """Draw the band of the speaker's telephone line or microphone."""
    narrowband = conditions.narrowband_share + disparity * world.POSTAL_NARROWBAND * home.deprivation
    on_the_phone = rng.random() < difficulty * narrowband
    edge = rng.random()
    if on_the_phone:
        return world.TELEPHONE_LOW_HZ, _between(edge, world.NARROWBAND_HZ)
    return world.MICROPHONE_LOW_HZ, _between(edge, world.WIDEBAND_HZ)


def _accent(conditions: Conditions, home: PostalCode, rng: np.random.Generator, disparity: float) -> str:
    tilt = math.exp(disparity * world.POSTAL_ACCENT_TILT * home.newcomers)
    return _pick({accent: share * (1 if accent == "en-us" else tilt) for accent, share in conditions.accents.items()},
                 rng)


def _rate(conditions: Conditions, age_band: str, rng: np.random.Generator) -> float:
    rate = rng.normal(conditions.rate_wpm, world.RATE_SPREAD_WPM)
    return _within(rate * (world.SENIOR_RATE if age_band == "60+" else 1), world.RATE_RANGE_WPM)


def _snr(conditions: Conditions, home: PostalCode, rng: np.random.Generator, disparity: float) -> float:
    mean = conditions.snr_db - disparity * world.POSTAL_SNR_DB * home.deprivation
    return _within(rng.normal(mean, world.SNR_SPREAD_DB), world.SNR_RANGE_DB)


def _pick(shares: Mapping[str, float], rng: np.random.Generator) -> str:
    edges = np.cumsum(list(shares.values()))
    return list(shares)[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(float(value), limits[0]), limits[1])


def _between(position: float, limits: tuple[float, float]) -> float:
    return limits[0] + position * (limits[1] - limits[0])
