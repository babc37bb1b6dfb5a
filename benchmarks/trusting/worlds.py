"""Made-up speakers whose true error rates are known, a group of whom may err more than the others.

Shapes: S speakers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.discovery import Cell, world
from evenvoice.cohorts.table import CohortTable
from evenvoice.judge.frames import rows_of
from evenvoice.judge.people import People
from evenvoice.judge.settings import read_judging

WORDS: Final = 200
WORDS_SPREAD: Final = 0.6
"""Standard deviation of the logarithm of a speaker's words."""
FEWEST_WORDS: Final = 20
WIDTH: Final = 8
APART: Final = 2.5
"""How far voices of the planted group, and of each gender, lie apart, in standard deviations between speakers."""
ALIKE: Final = 0.8
"""Share of the planted region that has the accent that goes with it, and of the others that has not."""
FORMATTED: Final = 0.08
"""Share of the words of the planted group that a wrong normaliser counts as errors."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
Strings = NDArray[np.object_]
Tails = Literal["gamma", "lognormal"]


@dataclass(frozen=True, kw_only=True)
class World:
    """What is true.

    Attributes:
        gap: (W_planted - W_others) / W_others.
        share: of the speakers who are planted.
        wer: of the others.
        variation: standard deviation of the error rate between speakers, relative to its mean.
        correlated: the accent is not the planted group's own, it is only more frequent there; the country is.
        formatted: the planted group errs like the others, but its numbers and abbreviations are counted as errors.
    """

    name: str
    gap: float
    share: float = 0.3
    wer: float = 0.1
    tails: Tails = "gamma"
    variation: float = 0.7
    correlated: bool = False
    formatted: bool = False


WORLDS: Final = (
    World(name="null", gap=0.0),
    *(World(name=f"{percent}%", gap=percent / 100) for percent in (10, 20, 40)),
    World(name="limit", gap=0.5),
    World(name="65%", gap=0.65),
    World(name="5%-limit", gap=0.5, share=0.05),
    World(name="5%-beyond", gap=1.0, share=0.05),
    World(name="95%-limit", gap=0.5, share=0.95),
    World(name="heavy-limit", gap=0.5, tails="lognormal", variation=1.5),
    World(name="heavy-5%-limit", gap=0.5, share=0.05, tails="lognormal", variation=1.5),
    World(name="rare-limit", gap=0.5, wer=0.01),
    World(name="correlated", gap=0.65, correlated=True),
    World(name="formatting", gap=0.0, formatted=True),
)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Speakers of a world (S,).

    Attributes:
        rates: what whoever is like a speaker is expected to err, per word.
        errors: by normaliser; the first one decides.
    """

    speakers: tuple[str, ...]
    words: Integers
    errors: Mapping[str, Integers]
    rates: Floats
    planted: Mask
    columns: Mapping[str, NDArray[Any]]
    places: Mapping[str, Floats]
    embeddings: Floats

    def people(self, columns: int, *, places: bool) -> People:
        """What is known of them: so many columns, and where they live."""
        known = {column: self.columns[column] for column in list(self.columns)[:columns]}
        people = People(tuple(known))
        people.take_rows(rows_of(pa.table({"speaker": self.speakers, **known, **(self.places if places else {})}),
                                 "the speakers"))
        return people


def draw(world_of: World, speakers: int, rng: np.random.Generator) -> Drawn:
    """Draw about so many speakers, those of discover, validate and test together."""
    table, planted = _placed(world_of.share, speakers, rng)
    size = len(table)
    female = rng.random(size) < 0.5
    accented = np.where(rng.random(size) < ALIKE, planted, ~planted) if world_of.correlated else planted
    words = np.maximum(FEWEST_WORDS, np.round(WORDS * rng.lognormal(-WORDS_SPREAD**2 / 2, WORDS_SPREAD, size))
                       ).astype(np.int64)
    rates = world_of.wer * np.where(planted, 1 + world_of.gap, 1.0)
    # by Poisson, since insertions can make more errors than words: a rate above 1 need not be cut, and means stay exact
    errors = rng.poisson(words * rates * _own(world_of, size, rng))
    written = errors + rng.binomial(words, np.where(planted, FORMATTED, 0.0)) if world_of.formatted else errors
    heard = rng.normal(size=(size, WIDTH)) + APART * np.column_stack(
        [accented, female, *np.zeros((WIDTH - 2, size), dtype=bool)])
    return Drawn(speakers=tuple(f"speaker-{number:07d}" for number in range(size)), words=words, rates=rates,
                 errors={"as written": written, **({"one spelling": errors} if world_of.formatted else {})},
                 planted=planted, columns=_columns(world_of, planted, accented, female, rng),
                 places={"lat": table.lat, "lon": table.lon},
                 embeddings=heard / np.linalg.norm(heard, axis=1, keepdims=True))


def _placed(share: float, speakers: int, rng: np.random.Generator) -> tuple[CohortTable, Mask]:
    """Places, and who lives in the planted box; where most are planted, who lives outside of it."""
    shares = read_judging().split.by_name()
    table, inside = world(Cell(speakers=round(shares["discover"] * speakers), where="within",
                               share=min(share, 1 - share), factor=1.0), rng)
    return table, inside if share <= 1 / 2 else ~inside


def _own(world_of: World, size: int, rng: np.random.Generator) -> Floats:
    """Error rate of each speaker over the mean of their like."""
    if world_of.tails == "lognormal":
        spread = float(np.log1p(world_of.variation**2))
        return rng.lognormal(-spread / 2, np.sqrt(spread), size)
    return rng.gamma(world_of.variation**-2, world_of.variation**2, size)


def _columns(world_of: World, planted: Mask, accented: Mask, female: Mask, rng: np.random.Generator
             ) -> dict[str, NDArray[Any]]:
    third = ({"country": np.where(planted, "planted", "others")} if world_of.correlated
             else {"age_band": np.where(rng.random(len(planted)) < 0.4, "20-29", "30-39")})
    return {"accent": np.where(accented, "planted", "others"), "gender": np.where(female, "female", "male"), **third}
