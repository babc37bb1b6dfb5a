"""Speakers who differ in their errors, a region and an accent that are served worse, as the tables that a run leaves.

    python -m benchmarks.million.world SPEAKERS FOLDER

Shapes: S speakers, U recordings, D embedding width.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenvoice.data.schemas import EMBEDDINGS, FURTHER, HYPOTHESES, SPEAKERS
from evenvoice.data.tables import write_table
from evenvoice.params import BASE

SPLITS: Final = {"discover": 0.3, "validate": 0.2, "test": 0.5}
"""Shares of the speakers, as evenvoice/judge/settings.yaml has them."""
RECORDINGS: Final = 10
"""Of each speaker."""
WORDS: Final = 7
"""Of a recording, on average; one at least."""
WER: Final = 0.1
VARIATION: Final = 0.7
"""Standard deviation of the error rate between speakers, relative to its mean."""
MAP: Final = {"lat": (25.0, 49.0), "lon": (-124.0, -67.0)}
REGION: Final = {"lat": (33.0, 39.0), "lon": (-100.0, -85.0)}
HARDER: Final = 2.0
"""How many times the errors of others are made of who lives in the region, or has the accent."""
GENDERS: Final = ("female", "male", "other", None)
AGES: Final = ("under-20", "20-29", "30-39", "40-49", "50-59", "60+", None)
ACCENTS: Final = (*(f"accent {number}" for number in range(1, 12)), None)
HARDER_ACCENT: Final = ACCENTS[4]
DIMENSIONS: Final = 64
SPREAD: Final = 0.12
"""Standard deviation of a voice around its accent's, in each dimension."""
SENTENCES: Final = tuple(["the", "quick", "brown", "fox", "jumps", "over", "it"][:length] for length in range(1, 8))

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class World:
    """What is true of S speakers.

    Attributes:
        words: (S, 10) of each recording; ``errors`` likewise.
        of: column -> place (S,) of each one's value in ``VALUES[column]``.
        voices: (S, D) of unit length.
    """

    split: NDArray[np.str_]
    words: Integers
    errors: Integers
    lat: Floats
    lon: Floats
    of: dict[str, Integers]
    voices: NDArray[np.float32]


VALUES: Final = {"gender": GENDERS, "age_band": AGES, "accent": ACCENTS}


def drawn(speakers: int) -> World:
    """A world of so many speakers, always the same."""
    rng = np.random.default_rng([speakers, 17])
    lat, lon = (rng.uniform(*edges, speakers).round(1) for edges in MAP.values())
    of = {column: rng.integers(len(values), size=speakers) for column, values in VALUES.items()}
    inside = np.all([(low < axis) & (axis <= high)
                     for axis, (low, high) in zip((lat, lon), REGION.values(), strict=True)], axis=0)
    accented = of["accent"] == ACCENTS.index(HARDER_ACCENT)
    rates = WER * rng.gamma(VARIATION**-2, VARIATION**2, speakers) * np.where(inside | accented, HARDER, 1.0)
    words = np.maximum(1, rng.poisson(WORDS, (speakers, RECORDINGS)))
    voices = rng.standard_normal((speakers, DIMENSIONS), dtype=np.float32) * np.float32(SPREAD)
    centres = rng.standard_normal((len(ACCENTS), DIMENSIONS), dtype=np.float32)
    voices += (centres / np.linalg.norm(centres, axis=1, keepdims=True))[of["accent"]]
    voices /= np.linalg.norm(voices, axis=1, keepdims=True)
    return World(split=rng.choice(list(SPLITS), p=list(SPLITS.values()), size=speakers), words=words,
                 errors=rng.binomial(words, np.minimum(rates, 1.0)[:, None]), lat=lat, lon=lon, of=of, voices=voices)


def write(world: World, folder: Path) -> None:
    """The world's tables, as ingest, transcribe and embed leave them."""
    speakers = len(world.split)
    # names that are not in the order of the rows, as pseudonyms are not
    names = pa.array([f"{number * 0x9E3779B1 % 2**32:08x}" for number in range(speakers)])
    splits = pa.array(world.split)
    write_table(folder / "corpus" / "speakers.parquet", pa.table(
        {"speaker": names, "split": splits, "lat": world.lat.astype(np.float32), "lon": world.lon.astype(np.float32),
         "postal_code": pa.nulls(speakers), "country": pa.nulls(speakers),
         FURTHER: pa.array([()] * speakers, SPEAKERS.field(FURTHER).type),
         **{column: _picked(values, world.of[column]) for column, values in VALUES.items()}},
    ).select(SPEAKERS.names).cast(SPEAKERS))
    write_table(folder / "embeddings" / "embeddings.parquet", pa.table(
        {"speaker": names, "split": splits, "embedding": _lists(world.voices)}, schema=EMBEDDINGS))
    of_U = pa.array(np.repeat(np.arange(speakers), RECORDINGS))
    words_U, errors_U = world.words.ravel(), world.errors.ravel()
    said = _picked([" ".join(words) for words in SENTENCES], np.minimum(words_U, len(SENTENCES)) - 1)
    nothing = np.zeros(len(words_U), dtype=np.int32)
    write_table(folder / "hypotheses" / BASE / "hypotheses.parquet", pa.table(
        {"utterance": pa.array([f"{number * 0x9E3779B1 % 2**40:010x}" for number in range(len(words_U))]),
         "speaker": names.take(of_U), "split": splits.take(of_U), "reference": said, "hypothesis": said,
         "words": words_U.astype(np.int32), "substitutions": errors_U.astype(np.int32), "deletions": nothing,
         "insertions": nothing, "duration_s": np.full(len(words_U), 3, dtype=np.float32)}, schema=HYPOTHESES))


def _picked(values: tuple[str | None, ...] | list[str], places: Integers) -> pa.Array:
    return pa.array(values, pa.string()).take(pa.array(places))


def _lists(voices: NDArray[np.float32]) -> pa.Array:
    starts = np.arange(0, voices.size + 1, voices.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(starts), pa.array(voices.ravel()))


if __name__ == "__main__":
    write(drawn(int(sys.argv[1])), Path(sys.argv[2]))
