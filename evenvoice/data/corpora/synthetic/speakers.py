"""The people of the world: each is one fixed draw of place, voice and surroundings from their region's conditions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from evenvoice.data.corpora.synthetic import voices, world
from evenvoice.data.corpora.synthetic.causes import Group, conditions, groups
from evenvoice.data.corpora.synthetic.census import PostalCode
from evenvoice.data.corpora.synthetic.streams import Stream, generator
from evenvoice.data.corpora.synthetic.world import Conditions
from evenvoice.data.schemas import SPLITS
from evenvoice.params import Synthetic

_AGE_BANDS: Final[Mapping[str, float]] = {"18-29": 0.22, "30-44": 0.28, "45-59": 0.26, "60+": 0.24}
_TRACT_LIMITS: Final = (-world.VOCAL_TRACT_SPREAD_LIMIT, world.VOCAL_TRACT_SPREAD_LIMIT)
_HOUSES_WITHIN = 0.2
"""People live within this part of the region's half-extents of their postal code's centre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A made-up person; recordings vary a little around these values."""

    index: int
    split: str
    region: str
    left_out: bool
    """Whether the world's cause of harm is theirs: the truth, which ingest never sees."""
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


def population(*, seed: int, settings: Synthetic,
               codes: tuple[tuple[PostalCode, ...], ...]) -> Iterator[Speaker]:
    """Yield all speakers, split by split and group by group, with shares as exact as whole people allow.

    The collected come last, so that nobody else changes when somebody is collected.
    """
    index = 0
    in_splits = apportion(settings.speakers, [world.SPLIT_SHARES[split] for split in SPLITS])
    for split, in_split in zip(SPLITS, in_splits, strict=True):
        everyone = groups(settings.cause, split, settings.disparity)
        for group, in_group in zip(everyone, apportion(in_split, [group.share for group in everyone]), strict=True):
            for _ in range(in_group):
                yield _draw(index, split, group, codes[group.region], seed=seed, settings=settings)
                index += 1
    for group in _collected(settings):
        yield _draw(index, "train", group, codes[group.region], seed=seed, settings=settings)
        index += 1


def _collected(settings: Synthetic) -> Iterator[Group]:
    """Groups of the people whom ``synthetic.collect`` adds: of a region's people as they are, nobody left out."""
    everyone = groups(settings.cause, "test", settings.disparity)
    for number, region in enumerate(world.REGIONS):
        parts = [group for group in everyone if group.region == number]
        wanted = settings.collect.get(region.place, 0)
        for group, count in zip(parts, apportion(wanted, [group.share for group in parts]), strict=True):
            yield from [group] * count


def apportion(total: int, shares: list[float] | tuple[float, ...]) -> list[int]:
    """Divide ``total`` by ``shares`` into whole numbers (largest remainder; ties go to the first)."""
    quotas = np.asarray(shares) / sum(shares) * total
    counts = np.floor(quotas + 1e-9).astype(int)
    missing = total - int(counts.sum())
    counts[np.argsort(counts - quotas, kind="stable")[:missing]] += 1
    return [int(count) for count in counts]


def _draw(index: int, split: str, group: Group, codes: tuple[PostalCode, ...], *, seed: int,
          settings: Synthetic) -> Speaker:
    rng = generator(seed, Stream.SPEAKERS, index)
    region, difficulty = world.REGIONS[group.region], settings.difficulty
    sound = conditions(settings.cause, settings.disparity, left_out=group.left_out)
    home = codes[rng.integers(len(codes))]
    tilt = settings.disparity if group.left_out else 0.0
    gender = ("female", "male")[rng.integers(2)]
    variants = voices.FEMALE if gender == "female" else voices.MALE
    age_band = _pick(_AGE_BANDS, rng)
    low_hz, high_hz = _line(sound, home, rng, difficulty=difficulty, tilt=tilt if settings.cause == "noise" else 0.0)
    return Speaker(
        index=index, split=split, region=region.name, left_out=group.left_out, postal_code=home.code,
        lat=home.lat + region.half_height_deg * _HOUSES_WITHIN * rng.uniform(-1, 1),
        lon=home.lon + region.half_width_deg * _HOUSES_WITHIN * rng.uniform(-1, 1),
        gender=gender, age_band=age_band,
        accent=_accent(sound, home, rng, tilt),
        variant=variants[rng.integers(len(variants))],
        rate_wpm=_rate(sound, age_band, rng),
        pitch=_within(rng.normal(sound.pitch, world.PITCH_SPREAD), world.PITCH_LIMITS),
        pitch_range=_within(rng.normal(world.PITCH_RANGE_MEAN, world.PITCH_SPREAD), world.PITCH_LIMITS),
        vocal_tract=round(sound.vocal_tract + _within(rng.normal(0, world.VOCAL_TRACT_SPREAD), _TRACT_LIMITS), 2),
        noise=_pick(sound.noises, rng),
        snr_db=_snr(sound, home, rng, tilt if settings.cause == "noise" else 0.0) - in_db(difficulty),
        rt60_s=difficulty * _within(sound.rt60_s * math.exp(rng.normal(0, world.RT60_LOG_SPREAD)),
                                    world.RT60_RANGE_S),
        direct_to_reverberant_db=rng.normal(sound.direct_to_reverberant_db, world.DIRECT_SPREAD_DB)
        - in_db(difficulty),
        low_hz=low_hz, high_hz=high_hz,
        level_dbfs=rng.normal(world.LEVEL_DBFS, world.LEVEL_SPREAD_DB))


def in_db(amplitude: float) -> float:
    """Return an amplitude ratio in decibels; 0 is minus infinity."""
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf


def _line(sound: Conditions, home: PostalCode, rng: np.random.Generator, *, difficulty: float,
          tilt: float) -> tuple[float, float]:
    """Draw the band of the speaker's telephone line or microphone."""
    narrowband = sound.narrowband_share + tilt * world.POSTAL_NARROWBAND * home.deprivation
    on_the_phone = rng.random() < difficulty * narrowband
    edge = rng.random()
    if on_the_phone:
        return world.TELEPHONE_LOW_HZ, _between(edge, world.NARROWBAND_HZ)
    return world.MICROPHONE_LOW_HZ, _between(edge, world.WIDEBAND_HZ)


def _accent(sound: Conditions, home: PostalCode, rng: np.random.Generator, tilt: float) -> str:
    """Draw an accent; the scarce one is rarer where more newcomers live."""
    if not sound.scarce_accent:
        return _pick(sound.accents, rng)
    scarce = sound.scarce_accent - tilt * world.POSTAL_ACCENT * home.newcomers
    return world.SCARCE_ACCENT if rng.random() < scarce else _pick(sound.accents, rng)


def _rate(sound: Conditions, age_band: str, rng: np.random.Generator) -> float:
    rate = rng.normal(sound.rate_wpm, world.RATE_SPREAD_WPM)
    return _within(rate * (world.SENIOR_RATE if age_band == "60+" else 1), world.RATE_RANGE_WPM)


def _snr(sound: Conditions, home: PostalCode, rng: np.random.Generator, tilt: float) -> float:
    mean = sound.snr_db - tilt * world.POSTAL_SNR_DB * home.deprivation
    return _within(rng.normal(mean, world.SNR_SPREAD_DB), world.SNR_RANGE_DB)


def _pick(shares: Mapping[str, float], rng: np.random.Generator) -> str:
    edges = np.cumsum(list(shares.values()))
    return list(shares)[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(float(value), limits[0]), limits[1])


def _between(position: float, limits: tuple[float, float]) -> float:
    return limits[0] + position * (limits[1] - limits[0])
