"""Postal codes inside the regions, and a small made-up census of them.

Postal codes differ within a region in two ways that are independent of each other: deprivation (which also worsens
the recordings) and newcomers (which also changes the accents). The census shows both through noisy statistics, so a
geodemographic partition can find what a map alone does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from evenvoice.data.corpora.synthetic import world
from evenvoice.data.corpora.synthetic.streams import Stream, generator
from evenvoice.data.corpora.synthetic.world import Region
from evenvoice.data.schemas import CENSUS_KEY

_RURAL_BY_DEPRIVATION = 0.18
_BROADBAND_BY_DEPRIVATION = -0.12
_INCOME_BY_DEPRIVATION = -0.20
_FOREIGN_BORN_BY_NEWCOMERS = 0.10
_ENGLISH_BY_NEWCOMERS = -0.10
_SHARE_NOISE = 0.04
_AGE_NOISE_YEARS = 2.0
_CENTRES_WITHIN = 0.8
"""Centres of postal codes keep to this part of their region's half-extents; their people spread into the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostalCode:
    """A made-up neighbourhood and its census figures."""

    code: str
    lat: float
    lon: float
    deprivation: float
    """-1 (least in its region) to 1 (most)."""
    newcomers: float
    """-1 (fewest in its region) to 1 (most)."""
    share_rural: float
    share_broadband: float
    share_foreign_born: float
    share_english_at_home: float
    median_age: float
    median_income_kusd: float


STATISTICS = ("share_rural", "share_broadband", "share_foreign_born", "share_english_at_home", "median_age",
              "median_income_kusd")
"""Columns of the census beside the postal code."""


def postal_codes(seed: int) -> tuple[tuple[PostalCode, ...], ...]:
    """Draw the postal codes of every region, in the order of ``world.REGIONS``."""
    return tuple(_of_region(region, generator(seed, Stream.POSTAL_CODES, index))
                 for index, region in enumerate(world.REGIONS))


def census_table(codes: tuple[tuple[PostalCode, ...], ...]) -> pa.Table:
    """One row per postal code: the key and :data:`STATISTICS` as float64."""
    everywhere = [code for region in codes for code in region]
    schema = pa.schema([CENSUS_KEY, *(pa.field(name, pa.float64(), nullable=False) for name in STATISTICS)])
    columns = [[code.code for code in everywhere],
               *([getattr(code, name) for code in everywhere] for name in STATISTICS)]
    return pa.table(dict(zip(schema.names, columns, strict=True)), schema=schema)


def _of_region(region: Region, rng: np.random.Generator) -> tuple[PostalCode, ...]:
    count = world.POSTAL_CODES_PER_REGION
    numbers = np.sort(rng.choice(100, size=count, replace=False))
    deprivation = rng.permutation(np.linspace(-1, 1, count))
    newcomers = rng.permutation(np.linspace(-1, 1, count))
    return tuple(_draw(region, f"{region.postal_prefix}{number:02d}", float(deprived), float(new), rng)
                 for number, deprived, new in zip(numbers, deprivation, newcomers, strict=True))


def _draw(region: Region, code: str, deprivation: float, newcomers: float, rng: np.random.Generator) -> PostalCode:
    typical = region.statistics

    def share(mean: float) -> float:
        return float(np.clip(rng.normal(mean, _SHARE_NOISE), 0.01, 0.99))

    return PostalCode(
        code=code,
        lat=region.lat + region.half_height_deg * _CENTRES_WITHIN * rng.uniform(-1, 1),
        lon=region.lon + region.half_width_deg * _CENTRES_WITHIN * rng.uniform(-1, 1),
        deprivation=deprivation,
        newcomers=newcomers,
        share_rural=share(typical.rural + _RURAL_BY_DEPRIVATION * deprivation),
        share_broadband=share(typical.broadband + _BROADBAND_BY_DEPRIVATION * deprivation),
        share_foreign_born=share(typical.foreign_born + _FOREIGN_BORN_BY_NEWCOMERS * newcomers),
        share_english_at_home=share(typical.english_at_home + _ENGLISH_BY_NEWCOMERS * newcomers),
        median_age=float(rng.normal(typical.median_age, _AGE_NOISE_YEARS)),
        median_income_kusd=typical.median_income_kusd * float(
            1 + _INCOME_BY_DEPRIVATION * deprivation + rng.normal(0, _SHARE_NOISE)))
