"""Every number of the synthetic world, in one place: who lives where, how they are recorded, who is left out.

Places are real, people are not. Which regions are disadvantaged was chosen so that they lie apart on the map;
it says nothing about how anybody there speaks or lives, and accents are stand-ins from espeak-ng's English voices.

To make the world harder or easier for all, change COMMON and the spreads below it; to widen or narrow gaps, change
the HARD_* conditions or the regions' ``train_share``. ``synthetic.difficulty`` and ``synthetic.disparity`` scale both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SPLIT_SHARES: Final[Mapping[str, float]] = {"train": 0.50, "discover": 0.15, "validate": 0.10, "test": 0.25}
"""Share of all speakers in each split; a speaker is in exactly one."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How the people of a region sound on average; single speakers vary around it by the spreads below."""

    accents: Mapping[str, float]
    """Share of speakers by espeak-ng language voice."""
    snr_db: float
    """Mean signal-to-noise ratio from 200 to 4000 Hz."""
    noises: Mapping[str, float]
    """Share of speakers by kind of background: pink (traffic, fans), babble (people talking), hum (60 Hz mains)."""
    rt60_s: float
    """Median time in which the room's reverberation falls by 60 dB."""
    direct_to_reverberant_db: float
    """Mean energy of the direct sound over that of the reverberation; low is far from the microphone."""
    narrowband_share: float
    """Share of speakers on a telephone line, which ends between 3.4 and 3.9 kHz."""
    rate_wpm: float
    """Mean speaking rate, words per minute."""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Typical census figures of a region; its postal codes vary around them."""

    rural: float
    """Share of people outside towns."""
    broadband: float
    """Share of households with a fixed broadband line."""
    foreign_born: float
    """Share of people born abroad."""
    english_at_home: float
    """Share of households that speak only English."""
    median_age: float
    """Years."""
    median_income_kusd: float
    """Thousands of US dollars per household and year."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """A real place and the made-up people in it."""

    name: str
    lat: float
    lon: float
    half_height_deg: float
    """Speakers live within this many degrees of latitude of ``lat``."""
    half_width_deg: float
    """Speakers live within this many degrees of longitude of ``lon``."""
    postal_prefix: str
    """The region's true leading digits; the last two are made up."""
    share: float
    """Share of the discover, validate and test speakers."""
    train_share: float
    """Share of the training speakers at disparity 1; below ``share`` the region is under-represented."""
    conditions: Conditions
    """At disparity 1; at 0 every region has COMMON."""
    statistics: Statistics


COMMON: Final = Conditions(
    accents={"en-us": 0.56, "en-us-nyc": 0.12, "en-gb": 0.10, "en-gb-x-rp": 0.06, "en-gb-scotland": 0.04,
             "en-029": 0.04, "en-gb-x-gbclan": 0.04, "en-gb-x-gbcwmd": 0.04},
    snr_db=24.0, noises={"pink": 0.5, "babble": 0.3, "hum": 0.2}, rt60_s=0.18, direct_to_reverberant_db=13.0,
    narrowband_share=0.08, rate_wpm=172.0)
"""Conditions of every region when no gap is planted."""

SNR_SPREAD_DB: Final = 3.0
"""Standard deviation between speakers of a region."""
SNR_JITTER_DB: Final = 1.5
"""Standard deviation between recordings of a speaker."""
SNR_RANGE_DB: Final = (4.0, 30.0)
RT60_LOG_SPREAD: Final = 0.35
"""Standard deviation of the logarithm of RT60 between speakers."""
RT60_RANGE_S: Final = (0.1, 0.7)
DIRECT_SPREAD_DB: Final = 2.5
"""Standard deviation of the direct-to-reverberant ratio between speakers."""
NARROWBAND_HZ: Final = (3400.0, 3900.0)
"""Where a telephone line ends; its lower end is at TELEPHONE_LOW_HZ."""
WIDEBAND_HZ: Final = (6500.0, 7800.0)
"""Where a device's own microphone ends."""
TELEPHONE_LOW_HZ: Final = 250.0
MICROPHONE_LOW_HZ: Final = 60.0
RATE_SPREAD_WPM: Final = 16.0
RATE_RANGE_WPM: Final = (130.0, 225.0)
RATE_JITTER: Final = 0.04
"""Relative standard deviation between recordings of a speaker."""
SENIOR_RATE: Final = 0.93
"""People of 60 and older speak this much slower, everywhere."""
PITCH_MEAN: Final = 50.0
"""espeak-ng's scale of 0 to 99, around the voice's own pitch; the same scale for the pitch range."""
PITCH_SPREAD: Final = 12.0
PITCH_LIMITS: Final = (20.0, 80.0)
PITCH_JITTER: Final = 3.0
VOCAL_TRACT_SPREAD: Final = 0.03
"""Standard deviation of the vocal tract length relative to the voice's own; it moves formants and pitch."""
VOCAL_TRACT_LIMITS: Final = (0.93, 1.07)
LEVEL_DBFS: Final = -26.0
"""Mean level of the speech."""
LEVEL_SPREAD_DB: Final = 3.0
LEVEL_JITTER_DB: Final = 1.5
LEAD_S: Final = (0.10, 0.25)
"""Background before the first word."""
TAIL_S: Final = (0.30, 0.45)
"""Background after the last word, so that a streaming recogniser can finish it."""

POSTAL_CODES_PER_REGION: Final = 6
POSTAL_SNR_DB: Final = 1.5
"""At disparity 1 the most deprived postal code of a region has this much less SNR than its mean, the least more."""
POSTAL_NARROWBAND: Final = 0.08
"""Likewise: this much higher a share of telephone lines."""
POSTAL_ACCENT_TILT: Final = 0.5
"""At disparity 1 the odds of an accent other than General American are e to this where most newcomers live in a
region, and e to minus this where fewest do."""

HARD_SNR_DB: Final = 18.0
"""Mean SNR of the disadvantaged regions, at disparity 1; the next three likewise."""
HARD_RT60_S: Final = 0.28
HARD_DIRECT_DB: Final = 9.0
HARD_NARROWBAND: Final = 0.20
HARD_ACCENT: Final = 0.65
"""Share of speakers with the region's own accent, which training hardly holds."""

_HOME = {"pink": 0.5, "babble": 0.3, "hum": 0.2}
_STREET = {"pink": 0.4, "babble": 0.5, "hum": 0.1}
_FARM = {"pink": 0.5, "babble": 0.1, "hum": 0.4}


def _mix(main: Mapping[str, float], rest: float = 0.08) -> Mapping[str, float]:
    """Shares ``main`` for all but ``rest`` of the people, who moved in from elsewhere with COMMON's accents."""
    moved = {accent: share * rest for accent, share in COMMON.accents.items()}
    return {accent: moved.get(accent, 0) + main.get(accent, 0) * (1 - rest) for accent in {**moved, **main}}


def _well_served(*, accents: Mapping[str, float], snr_db: float = 26.0, noises: Mapping[str, float] = _HOME,
                 rate_wpm: float = 172.0) -> Conditions:
    return Conditions(accents=_mix(accents), snr_db=snr_db, noises=noises, rt60_s=0.15, direct_to_reverberant_db=15.0,
                      narrowband_share=0.03, rate_wpm=rate_wpm)


def _hard(*, accents: Mapping[str, float], noises: Mapping[str, float] = _FARM) -> Conditions:
    return Conditions(accents=_mix(accents), snr_db=HARD_SNR_DB, noises=noises, rt60_s=HARD_RT60_S,
                      direct_to_reverberant_db=HARD_DIRECT_DB, narrowband_share=HARD_NARROWBAND, rate_wpm=178.0)


REGIONS: Final = (
    # Well served, and with more than their due of the training speakers.
    Region(name="New York City", lat=40.71, lon=-73.95, half_height_deg=0.20, half_width_deg=0.25,
           postal_prefix="112", share=0.075, train_share=0.1125,
           conditions=_well_served(accents={"en-us-nyc": 0.7, "en-us": 0.2, "en-029": 0.1}, snr_db=24.5,
                                   noises=_STREET, rate_wpm=180.0),
           statistics=Statistics(rural=0.02, broadband=0.80, foreign_born=0.40, english_at_home=0.48,
                                 median_age=37, median_income_kusd=72)),
    Region(name="New England", lat=42.40, lon=-71.40, half_height_deg=0.60, half_width_deg=0.40,
           postal_prefix="021", share=0.075, train_share=0.1125,
           conditions=_well_served(accents={"en-us": 0.6, "en-gb": 0.3, "en-us-nyc": 0.1}),
           statistics=Statistics(rural=0.35, broadband=0.84, foreign_born=0.18, english_at_home=0.76,
                                 median_age=40, median_income_kusd=86)),
    Region(name="Great Lakes", lat=41.85, lon=-87.85, half_height_deg=0.30, half_width_deg=0.25,
           postal_prefix="606", share=0.075, train_share=0.1125,
           conditions=_well_served(accents={"en-us": 0.85, "en-us-nyc": 0.15}),
           statistics=Statistics(rural=0.05, broadband=0.77, foreign_born=0.21, english_at_home=0.65,
                                 median_age=36, median_income_kusd=70)),
    Region(name="Upper Midwest", lat=45.10, lon=-94.00, half_height_deg=0.80, half_width_deg=1.00,
           postal_prefix="554", share=0.075, train_share=0.1125,
           conditions=_well_served(accents={"en-us": 0.9, "en-gb": 0.1}, snr_db=27.0, rate_wpm=166.0),
           statistics=Statistics(rural=0.48, broadband=0.80, foreign_born=0.09, english_at_home=0.88,
                                 median_age=39, median_income_kusd=80)),
    Region(name="Puget Sound", lat=47.55, lon=-122.20, half_height_deg=0.45, half_width_deg=0.15,
           postal_prefix="981", share=0.075, train_share=0.1125,
           conditions=_well_served(accents={"en-us": 0.85, "en-gb-x-rp": 0.15}, snr_db=27.0),
           statistics=Statistics(rural=0.12, broadband=0.88, foreign_born=0.20, english_at_home=0.74,
                                 median_age=37, median_income_kusd=98)),
    Region(name="Los Angeles Basin", lat=34.02, lon=-118.15, half_height_deg=0.15, half_width_deg=0.30,
           postal_prefix="900", share=0.075, train_share=0.1125,
           conditions=_well_served(accents={"en-us": 0.9, "en-us-nyc": 0.1}, snr_db=25.0, noises=_STREET),
           statistics=Statistics(rural=0.02, broadband=0.79, foreign_born=0.36, english_at_home=0.42,
                                 median_age=36, median_income_kusd=74)),
    Region(name="Gulf Coast", lat=30.55, lon=-88.40, half_height_deg=0.15, half_width_deg=0.80,
           postal_prefix="366", share=0.075, train_share=0.1125,
           conditions=_well_served(accents={"en-us": 0.85, "en-gb": 0.15}, snr_db=24.5, rate_wpm=162.0),
           statistics=Statistics(rural=0.42, broadband=0.66, foreign_born=0.04, english_at_home=0.94,
                                 median_age=40, median_income_kusd=55)),
    Region(name="South Florida", lat=26.10, lon=-80.28, half_height_deg=0.40, half_width_deg=0.10,
           postal_prefix="331", share=0.075, train_share=0.1125,
           conditions=_well_served(accents={"en-us": 0.65, "en-us-nyc": 0.25, "en-029": 0.1}, snr_db=24.5,
                                   noises=_STREET),
           statistics=Statistics(rural=0.02, broadband=0.76, foreign_born=0.50, english_at_home=0.34,
                                 median_age=41, median_income_kusd=62)),
    # Under-represented in training, and harder to hear: two in the south-east, two in the south-west.
    Region(name="Appalachia", lat=37.50, lon=-82.30, half_height_deg=0.80, half_width_deg=1.00,
           postal_prefix="415", share=0.10, train_share=0.025,
           conditions=_hard(accents={"en-gb-scotland": HARD_ACCENT, "en-us": 1 - HARD_ACCENT}),
           statistics=Statistics(rural=0.78, broadband=0.52, foreign_born=0.01, english_at_home=0.98,
                                 median_age=43, median_income_kusd=38)),
    Region(name="Mississippi Delta", lat=33.60, lon=-90.70, half_height_deg=0.90, half_width_deg=0.40,
           postal_prefix="387", share=0.10, train_share=0.025,
           conditions=_hard(accents={"en-029": HARD_ACCENT, "en-us": 1 - HARD_ACCENT}),
           statistics=Statistics(rural=0.62, broadband=0.42, foreign_born=0.02, english_at_home=0.97,
                                 median_age=37, median_income_kusd=33)),
    Region(name="Texas Border", lat=26.25, lon=-98.20, half_height_deg=0.15, half_width_deg=0.50,
           postal_prefix="785", share=0.10, train_share=0.025,
           conditions=_hard(accents={"en-gb-x-gbclan": HARD_ACCENT, "en-us": 1 - HARD_ACCENT}, noises=_STREET),
           statistics=Statistics(rural=0.40, broadband=0.48, foreign_born=0.26, english_at_home=0.18,
                                 median_age=30, median_income_kusd=42)),
    Region(name="Navajo Nation", lat=36.20, lon=-109.90, half_height_deg=0.60, half_width_deg=0.90,
           postal_prefix="865", share=0.10, train_share=0.025,
           conditions=_hard(accents={"en-gb-x-gbcwmd": HARD_ACCENT, "en-us": 1 - HARD_ACCENT}),
           statistics=Statistics(rural=0.90, broadband=0.30, foreign_born=0.01, english_at_home=0.32,
                                 median_age=33, median_income_kusd=31)),
)
"""Shares add up to 1 over the regions."""


def planted(region: Region, disparity: float) -> Conditions:
    """Conditions of a region at a disparity: COMMON at 0, its own at 1, beyond them above 1."""
    def blend(common: float, own: float) -> float:
        return common + disparity * (own - common)

    own = region.conditions
    return Conditions(
        accents=_blend_shares(COMMON.accents, own.accents, disparity),
        snr_db=blend(COMMON.snr_db, own.snr_db),
        noises=_blend_shares(COMMON.noises, own.noises, disparity),
        rt60_s=blend(COMMON.rt60_s, own.rt60_s),
        direct_to_reverberant_db=blend(COMMON.direct_to_reverberant_db, own.direct_to_reverberant_db),
        narrowband_share=min(1.0, max(0.0, blend(COMMON.narrowband_share, own.narrowband_share))),
        rate_wpm=blend(COMMON.rate_wpm, own.rate_wpm))


def _blend_shares(common: Mapping[str, float], own: Mapping[str, float], disparity: float) -> Mapping[str, float]:
    """Blend two mixtures; above disparity 1 a share would fall below 0 and is held there."""
    blended = {name: max(0.0, share + disparity * (own.get(name, 0.0) - share)) for name, share in common.items()}
    total = sum(blended.values())
    return {name: share / total for name, share in blended.items()}


def speaker_shares(split: str, disparity: float) -> tuple[float, ...]:
    """Share of each region in a split; only training is skewed, by ``(train_share / share) ** disparity``."""
    if split != "train":
        return tuple(region.share for region in REGIONS)
    skewed = [region.share * (region.train_share / region.share) ** disparity for region in REGIONS]
    return tuple(share / sum(skewed) for share in skewed)
