"""Worlds of speakers with a known truth, as tables and as the files that other stages would have written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from evenvoice.cohorts.table import CohortTable
from evenvoice.cohorts.watched import read_folder
from evenvoice.data.schemas import EMBEDDINGS, HYPOTHESES, SPEAKERS
from evenvoice.data.tables import rows_table, write_table
from evenvoice.origins import ORIGIN
from evenvoice.params import Discover
from evenvoice.storage import write_json
from tests.builders.origins import write_identity

WORDS_PER_SPEAKER = 60
UNIT_BOX = {"lat_min": 34.0, "lat_max": 38.0, "lon_min": -100.0, "lon_max": -92.0}
"""A planted region; the world spans lat 30..40 and lon -110..-90, so it holds about 16 % of the speakers."""


def discover_settings(**changes: Any) -> Discover:
    """Settings of a small discovery; sections are changed by mapping, e.g. ``clusters={"max_cohorts": 3}``."""
    base: dict[str, Any] = {
        "min_speakers": 12, "min_words": 200,
        "geographic": {"max_cohorts": 8, "box_edges": 8, "split_gain": "poisson", "permutations": 100,
                       "significance": 0.05},
        "geodemographic": {"max_cohorts": 8, "permutations": 100, "significance": 0.05},
        "clusters": {"speaker_model": "none", "clusters": 4, "max_cohorts": 4, "permutations": 100,
                     "significance": 0.05, "restarts": 10, "stability_runs": 5},
        "watched": {"rules": ""}, "attributes": {"columns": ["gender", "age_band", "accent", "country"]},
    }
    for name, value in changes.items():
        base[name] = {**base[name], **value} if isinstance(value, Mapping) else value
    return Discover.model_validate(base)


def cohort_table(*, splits: list[str], errors: list[int], words: list[int], **columns: Any) -> CohortTable:
    """A table from literal columns; whatever is not given is unknown."""
    size = len(splits)
    unknown = {name: np.full(size, np.nan) for name in ("lat", "lon")}
    unknown |= {name: np.full(size, None, dtype=object)
                for name in ("postal_code", "gender", "age_band", "accent", "country")}
    unknown |= {"census": np.empty((size, 0)), "embeddings": np.empty((size, 0))}
    unknown |= {"further": np.empty((size, 0), dtype=object)}
    strings = {name: np.array(value, dtype=object) for name, value in columns.items()
               if name in ("postal_code", "gender", "age_band", "accent", "country")}
    return CohortTable(**{
        "speakers": np.array([f"s{number:04d}" for number in range(size)], dtype=object),
        "splits": np.array(splits, dtype=object), "errors": np.array(errors, dtype=np.int64),
        "words": np.array(words, dtype=np.int64), **unknown, **columns, **strings})


def located_world(seed: int, *, factor: float = 1.0, speakers: int = 240, dispersion: float = 0.35,
                  box: Mapping[str, float] = UNIT_BOX) -> CohortTable:
    """Speakers spread evenly over a map whose errors scatter more than words alone would explain.

    Args:
        factor: how many times more errors the speakers inside ``box`` make; 1 plants nothing.
        dispersion: standard deviation of the log error rate between speakers.
    """
    rng = np.random.default_rng([seed, 7])
    splits = rng.permutation(np.repeat(["discover", "validate", "test"], [speakers // 2, speakers // 4, speakers // 4]))
    lat = rng.uniform(30, 40, speakers).round(1)
    lon = rng.uniform(-110, -90, speakers).round(1)
    rate = 0.12 * np.exp(rng.normal(0, dispersion, speakers)) * np.where(inside_box(lat, lon, box), factor, 1.0)
    errors = rng.binomial(WORDS_PER_SPEAKER, np.minimum(rate, 1.0))
    return cohort_table(splits=list(splits), errors=list(errors), words=[WORDS_PER_SPEAKER] * speakers, lat=lat,
                        lon=lon)


def inside_box(lat: np.ndarray, lon: np.ndarray, box: Mapping[str, float] = UNIT_BOX) -> np.ndarray:
    """Who lies in a box."""
    return (lat > box["lat_min"]) & (lat <= box["lat_max"]) & (lon > box["lon_min"]) & (lon <= box["lon_max"])


def watch(root: Path, earlier: Path | None = None) -> Path:
    """Write watched.json with what discover wrote to ``earlier``, or with nothing."""
    write_json(root / "watched.json", {} if earlier is None else read_folder(earlier, coordinate_decimals=1))
    return root / "watched.json"


def write_inputs(root: Path, table: CohortTable, census: dict[str, list[object]] | None = None) -> dict[str, Path]:
    """Write speakers, hypotheses and embeddings of a table as the earlier stages do; returns discover's arguments."""
    paths = {"corpus": root / "corpus", "hypotheses": root / "hypotheses", "embeddings": root / "embeddings"}
    names = ("postal_code", "gender", "age_band", "accent", "country")
    keys = [{"speaker": speaker, "split": split} for speaker, split in zip(table.speakers, table.splits, strict=True)]
    places = [{"lat": None if np.isnan(lat) else lat, "lon": None if np.isnan(lon) else lon}
              for lat, lon in zip(table.lat.tolist(), table.lon.tolist(), strict=True)]
    speakers = [{**keys[row], **places[row], **{name: getattr(table, name)[row] for name in names},
                 "further": [pair for pair in zip(table.further_columns, table.further[row], strict=True) if pair[1]]}
                for row in range(len(table))]
    hypotheses = [{**key, "utterance": f"{key['speaker']}-{key['split']}", "reference": "", "hypothesis": "",
                   "words": words, "substitutions": errors, "deletions": 0, "insertions": 0, "duration_s": 1.0}
                  for key, errors, words in zip(keys, table.errors.tolist(), table.words.tolist(), strict=True)
                  if key["split"] != "train"]
    embeddings = [{**key, "embedding": embedding}
                  for key, embedding in zip(keys, table.embeddings.tolist(), strict=True) if embedding]
    write_table(paths["corpus"] / "speakers.parquet", rows_table(speakers, SPEAKERS))
    write_table(paths["hypotheses"] / "hypotheses.parquet", rows_table(hypotheses, HYPOTHESES))
    write_json(paths["hypotheses"] / ORIGIN, write_identity(root / "models", "base").to_json())
    write_table(paths["embeddings"] / "embeddings.parquet", rows_table(embeddings, EMBEDDINGS))
    if census is not None:
        write_table(paths["corpus"] / "census.parquet", pa.table(census))
    return paths
