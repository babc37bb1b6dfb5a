"""Every number of the synthetic world, in one place: who lives where, how they sound, who is left out and why.

Places are real, people are not. Which regions are disadvantaged was chosen so that they lie beside each other on the
map; it says nothing about how anybody there speaks or lives, and accents are stand-ins from espeak-ng's English voices.

To make the world harder or easier for all, change COMMON and the spreads below it; what sets the left out apart is
said by ``causes``. ``synthetic.difficulty`` and ``synthetic.disparity`` scale both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from evenvoice.params import Place

SPLIT_SHARES: Final[Mapping[str, float]] = {"train": 0.36, "discover": 0.16, "validate": 0.11, "test": 0.37}
"""Share of all speakers in each split; a speaker is in exactly one. Test holds the most: what a verdict can tell
depends on it, and a test speaker costs less than a training one."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How the people of a region sound on average; single speakers vary around it by the spreads below."""

    accents: Mapping[str, float]
    """Share of speakers by espeak-ng language voice, of those who do not have the scarce one."""
    scarce_accent: float
    """Share of speakers who have SCARCE_ACCENT."""
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
    pitch: float
    """Mean on espeak-ng's scale of 0 to 99, around the voice's own pitch."""
    vocal_tract: float
    """Mean length relative to the voice's own; formants and pitch fall as it grows."""


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
    place: Place
    """Its name in parameters."""
    lat: float
    lon: float
    half_height_deg: float
    """Speakers live within this many degrees of latitude of ``lat``."""
    half_width_deg: float
    """Speakers live within this many degrees of longitude of ``lon``."""
    postal_prefix: str
    """The region's true leading digits; the last two are made up."""
    disadvantaged: bool
    """Whether its people are the ones left out, where the cause lies in the place."""
    statistics: Statistics


COMMON: Final = Conditions(
    accents={"en-us": 0.65, "en-gb": 0.35}, scarce_accent=0.0,
    snr_db=13.5, noises={"pink": 0.5, "babble": 0.3, "hum": 0.2}, rt60_s=0.27, direct_to_reverberant_db=9.0,
    narrowband_share=0.0, rate_wpm=172.0, pitch=44.0, vocal_tract=1.0)
"""How everybody sounds who is not left out."""

SNR_SPREAD_DB: Final = 1.2
"""Standard deviation between speakers of a region."""
SNR_JITTER_DB: Final = 1.5
"""Standard deviation between recordings of a speaker."""
SNR_RANGE_DB: Final = (4.0, 30.0)
RT60_LOG_SPREAD: Final = 0.35
"""Standard deviation of the logarithm of RT60 between speakers."""
RT60_RANGE_S: Final = (0.1, 0.7)
DIRECT_SPREAD_DB: Final = 1.5
"""Standard deviation of the direct-to-reverberant ratio between speakers."""
NARROWBAND_HZ: Final = (3400.0, 3900.0)
"""Where a telephone line ends; its lower end is at TELEPHONE_LOW_HZ."""
WIDEBAND_HZ: Final = (6500.0, 7800.0)
"""Where a device's own microphone ends."""
TELEPHONE_LOW_HZ: Final = 250.0
MICROPHONE_LOW_HZ: Final = 60.0
RATE_SPREAD_WPM: Final = 12.0
RATE_RANGE_WPM: Final = (130.0, 225.0)
RATE_JITTER: Final = 0.04
"""Relative standard deviation between recordings of a speaker."""
SENIOR_RATE: Final = 0.93
"""People of 60 and older speak this much slower, everywhere."""
PITCH_SPREAD: Final = 5.0
PITCH_LIMITS: Final = (20.0, 80.0)
PITCH_RANGE_MEAN: Final = 50.0
"""On the scale of the pitch; spread and limits are its too."""
PITCH_JITTER: Final = 3.0
VOCAL_TRACT_SPREAD: Final = 0.012
"""Standard deviation of the vocal tract length relative to the voice's own; it moves formants and pitch."""
VOCAL_TRACT_SPREAD_LIMIT: Final = 0.05
"""Nobody lies further than this from their group's mean."""
LEVEL_DBFS: Final = -26.0
"""Mean level of the speech."""
LEVEL_SPREAD_DB: Final = 3.0
LEVEL_JITTER_DB: Final = 1.5
LEAD_S: Final = (0.10, 0.25)
"""Background before the first word."""
TAIL_S: Final = (0.30, 0.45)
"""Background after the last word, so that a streaming recogniser can finish it."""

POSTAL_CODES_PER_REGION: Final = 6

SCARCITY: Final = 0.16
"""At disparity 1 the left out have this much of their due share of the training speakers, where they are scarce."""
SCARCE_ACCENT: Final = "en-gb-x-gbclan"
"""espeak-ng's language voice of those whom the cause ``accent`` leaves out; nobody else has it."""
AT_HOME: Final = 0.9
"""Share of a disadvantaged region's people who have its accent; the others moved there."""
POSTAL_ACCENT: Final = 0.08
"""At disparity 1 this much more of them where fewest newcomers live, and this much fewer where most do."""

NOISY_SNR_DB: Final = 6.5
"""Mean SNR where the cause is ``noise``, at disparity 1; the next three likewise."""
NOISY_RT60_S: Final = 0.40
NOISY_DIRECT_DB: Final = 5.0
NOISY_NARROWBAND: Final = 0.30
POSTAL_SNR_DB: Final = 1.5
"""At disparity 1 the most deprived postal code of a region has this much less SNR than its mean, the least more."""
POSTAL_NARROWBAND: Final = 0.08
"""Likewise: this much higher a share of telephone lines."""

VOICE_SHARE: Final = 1 / 3
"""Share of every region's people whom the cause ``voice`` leaves out."""
VOICE_PITCH: Final = 78.0
"""Their mean, at disparity 1; the next two likewise."""
VOICE_VOCAL_TRACT: Final = 0.86
VOICE_RATE_WPM: Final = 205.0

REGIONS: Final = (
    Region(name="New York City", place="new-york-city", lat=40.71, lon=-73.95,
           half_height_deg=0.20, half_width_deg=0.25, postal_prefix="112", disadvantaged=False,
           statistics=Statistics(rural=0.02, broadband=0.80, foreign_born=0.40, english_at_home=0.48,
                                 median_age=37, median_income_kusd=72)),
    Region(name="New England", place="new-england", lat=42.40, lon=-71.40,
           half_height_deg=0.60, half_width_deg=0.40, postal_prefix="021", disadvantaged=False,
           statistics=Statistics(rural=0.35, broadband=0.84, foreign_born=0.18, english_at_home=0.76,
                                 median_age=40, median_income_kusd=86)),
    Region(name="Great Lakes", place="great-lakes", lat=41.85, lon=-87.85,
           half_height_deg=0.30, half_width_deg=0.25, postal_prefix="606", disadvantaged=False,
           statistics=Statistics(rural=0.05, broadband=0.77, foreign_born=0.21, english_at_home=0.65,
                                 median_age=36, median_income_kusd=70)),
    Region(name="Upper Midwest", place="upper-midwest", lat=45.10, lon=-94.00,
           half_height_deg=0.80, half_width_deg=1.00, postal_prefix="554", disadvantaged=False,
           statistics=Statistics(rural=0.48, broadband=0.80, foreign_born=0.09, english_at_home=0.88,
                                 median_age=39, median_income_kusd=80)),
    Region(name="Puget Sound", place="puget-sound", lat=47.55, lon=-122.20,
           half_height_deg=0.45, half_width_deg=0.15, postal_prefix="981", disadvantaged=False,
           statistics=Statistics(rural=0.12, broadband=0.88, foreign_born=0.20, english_at_home=0.74,
                                 median_age=37, median_income_kusd=98)),
    Region(name="Los Angeles Basin", place="los-angeles-basin", lat=34.02, lon=-118.15,
           half_height_deg=0.15, half_width_deg=0.30, postal_prefix="900", disadvantaged=False,
           statistics=Statistics(rural=0.02, broadband=0.79, foreign_born=0.36, english_at_home=0.42,
                                 median_age=36, median_income_kusd=74)),
    Region(name="Gulf Coast", place="gulf-coast", lat=30.55, lon=-88.40,
           half_height_deg=0.15, half_width_deg=0.80, postal_prefix="366", disadvantaged=False,
           statistics=Statistics(rural=0.42, broadband=0.66, foreign_born=0.04, english_at_home=0.94,
                                 median_age=40, median_income_kusd=55)),
    Region(name="South Florida", place="south-florida", lat=26.10, lon=-80.28,
           half_height_deg=0.40, half_width_deg=0.10, postal_prefix="331", disadvantaged=False,
           statistics=Statistics(rural=0.02, broadband=0.76, foreign_born=0.50, english_at_home=0.34,
                                 median_age=41, median_income_kusd=62)),
    # Side by side in the south-east, between others that are not left out.
    Region(name="Appalachia", place="appalachia", lat=37.50, lon=-82.30,
           half_height_deg=0.80, half_width_deg=1.00, postal_prefix="415", disadvantaged=True,
           statistics=Statistics(rural=0.78, broadband=0.52, foreign_born=0.01, english_at_home=0.98,
                                 median_age=43, median_income_kusd=38)),
    Region(name="Black Belt", place="black-belt", lat=32.45, lon=-87.20,
           half_height_deg=0.40, half_width_deg=0.90, postal_prefix="367", disadvantaged=True,
           statistics=Statistics(rural=0.66, broadband=0.45, foreign_born=0.01, english_at_home=0.98,
                                 median_age=40, median_income_kusd=32)),
    Region(name="Mississippi Delta", place="mississippi-delta", lat=33.60, lon=-90.70,
           half_height_deg=0.90, half_width_deg=0.40, postal_prefix="387", disadvantaged=True,
           statistics=Statistics(rural=0.62, broadband=0.42, foreign_born=0.02, english_at_home=0.97,
                                 median_age=37, median_income_kusd=33)),
    Region(name="Ozarks", place="ozarks", lat=36.60, lon=-91.90,
           half_height_deg=0.50, half_width_deg=0.70, postal_prefix="657", disadvantaged=True,
           statistics=Statistics(rural=0.75, broadband=0.55, foreign_born=0.02, english_at_home=0.97,
                                 median_age=44, median_income_kusd=40)),
)
"""As many people live in each as in any other."""
