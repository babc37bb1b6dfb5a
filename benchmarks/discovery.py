"""Which planted regions the geographic method finds: straight cuts alone beside cuts and boxes, on the same speakers.

    python -m benchmarks.discovery                     all sizes, some five minutes on two cores
    python -m benchmarks.discovery --trials 5 --null-trials 10 --out .    a first look

Tables only, no speech. A speaker has about 70 words. Error rates differ between speakers by a gamma distribution with
a coefficient of variation of 0.7 around 10 %. Speakers live evenly over the map, or where the synthetic world's do.
The region is a rectangle of the map that holds a given share of the speakers, in its corner or anywhere within, whose
error rate is higher by a factor; in the synthetic world it is that world's four harder regions. Settings are those of
params.yaml. The result goes to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.hardware import hardware, write_result
from evenvoice.cohorts import find_cohorts
from evenvoice.cohorts.description import Found
from evenvoice.cohorts.table import CohortTable, word_error_rate
from evenvoice.data.corpora.synthetic.world import REGIONS
from evenvoice.params import Discover, load_params

WER: Final = 0.1
WORDS: Final = 70
VARIATION: Final = 0.7
"""Standard deviation of the error rate between speakers, relative to its mean."""
SPLITS: Final = {"discover": 1.0, "validate": 2 / 3, "test": 5 / 3}
"""Speakers of each split relative to the discover speakers, as ingest.split has it."""
MAP: Final = {"lat": (25.0, 49.0), "lon": (-124.0, -67.0)}
DECIMALS: Final = 1
INWARDS: Final = 0.1
"""A region within the map keeps this share of its width and height between itself and the edge."""

Where = Literal["nowhere", "corner", "within", "four regions"]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of world."""

    speakers: int
    """Of the discover split."""
    where: Where
    share: float
    factor: float
    world: Literal["even", "synthetic"] = "even"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one search of one world came to.

    Attributes:
        tested: a split passed the permutation test, kept on validate speakers or not.
        found: at least two cohorts were frozen.
        overlap: speakers in both the bottom cohort and the planted region over those in either; 0 if nothing was found.
        gap: (W_bottom - W_top) / W_top on test speakers; NaN if nothing was found.
    """

    tested: bool
    found: bool
    overlap: float
    gap: float


def world(cell: Cell, rng: np.random.Generator) -> tuple[CohortTable, Mask]:
    """Speakers of a world, and who of them lives in its planted region."""
    splits = [split for split, times in SPLITS.items() for _ in range(round(cell.speakers * times))]
    size = len(splits)
    lat, lon, planted = _settled(size, rng) if cell.world == "synthetic" else _even(cell, size, rng)
    words = np.maximum(1, rng.poisson(WORDS, size))
    rates = WER * rng.gamma(VARIATION**-2, VARIATION**2, size) * np.where(planted, cell.factor, 1.0)
    unknown = np.full(size, None, dtype=object)
    table = CohortTable(speakers=np.array([f"s{number}" for number in range(size)], dtype=object),
                        splits=np.array(splits, dtype=object), errors=rng.binomial(words, np.minimum(rates, 1.0)),
                        words=words, lat=lat, lon=lon, postal_code=unknown, gender=unknown, age_band=unknown,
                        accent=unknown, country=unknown, census=np.empty((size, 0)), embeddings=np.empty((size, 0)),
                        further=np.empty((size, 0), dtype=object))
    return table, planted


def _even(cell: Cell, size: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64], Mask]:
    side = float(np.sqrt(cell.share))
    low, high = (0.0, 0.0) if cell.where == "corner" else (INWARDS, 1 - INWARDS - side)
    places, planted = [], np.full(size, cell.where != "nowhere")
    for south, north in MAP.values():
        start = south + (north - south) * rng.uniform(low, high)
        value = rng.uniform(south, north, size)
        planted &= (value > start) & (value <= start + (north - south) * side)
        places.append(value.round(DECIMALS))
    return places[0], places[1], planted


def _settled(size: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64], Mask]:
    region = rng.integers(len(REGIONS), size=size)
    centre = np.array([(one.lat, one.lon) for one in REGIONS])[region]
    half = np.array([(one.half_height_deg, one.half_width_deg) for one in REGIONS])[region]
    lat, lon = (centre + half * rng.uniform(-1, 1, (size, 2))).round(DECIMALS).T
    return lat, lon, np.array([one.disadvantaged for one in REGIONS])[region]


def search(table: CohortTable, planted: Mask, settings: Discover, seed: int) -> Outcome:
    """Find regions and compare them with the planted one."""
    found = find_cohorts("geographic", table, settings, seed)
    if not isinstance(found, Found):
        return Outcome(tested=False, found=False, overlap=0.0, gap=float("nan"))
    tested = any(split["outcome"] != "rejected" for split in found.extra["splits"])
    if len(found.rules) < 2:
        return Outcome(tested=tested, found=False, overlap=0.0, gap=float("nan"))
    labels = found.rule.assign(table)
    bottom, top = ((labels == number) & (table.splits == "test") for number in (0, len(found.rules) - 1))
    best = word_error_rate(table.errors[top], table.words[top])
    worst = word_error_rate(table.errors[bottom], table.words[bottom])
    return Outcome(tested=tested, found=True, gap=worst / best - 1 if best else float("nan"),
                   overlap=float(((labels == 0) & planted).sum() / ((labels == 0) | planted).sum()))


def searches(settings: Discover) -> dict[str, Discover]:
    """The two searches that are compared."""
    def with_edges(box_edges: int) -> Discover:
        geographic = settings.geographic.model_copy(update={"box_edges": box_edges})
        return settings.model_copy(update={"geographic": geographic})

    return {"straight cuts": with_edges(0), "cuts and boxes": settings}


def measure(cell: Cell, trials: int) -> dict[str, object]:
    """Search so many worlds of one kind both ways."""
    began = time.process_time()
    both = searches(load_params().discover)
    outcomes: dict[str, list[Outcome]] = {name: [] for name in both}
    for trial in range(trials):
        table, planted = world(cell, np.random.default_rng([trial, cell.speakers, round(100 * cell.share),
                                                            round(10 * cell.factor)]))
        for name, settings in both.items():
            outcomes[name].append(search(table, planted, settings, trial))
    return {**asdict(cell), "trials": trials, "cpu_s": round(time.process_time() - began, 1),
            **{name: _summary(found) for name, found in outcomes.items()}}


def _summary(outcomes: Sequence[Outcome]) -> dict[str, float | None]:
    gaps = [one.gap for one in outcomes if np.isfinite(one.gap)]
    return {"tested": round(float(np.mean([one.tested for one in outcomes])), 4),
            "found": round(float(np.mean([one.found for one in outcomes])), 4),
            "overlap": round(float(np.mean([one.overlap for one in outcomes])), 4),
            "held_out_gap": round(float(np.mean(gaps)), 4) if gaps else None}


def cells(speakers: Sequence[int]) -> Iterator[Cell]:
    """The worlds with a region."""
    for count in sorted(speakers):
        for where, share, factor in product(("corner", "within"), (0.05, 0.1, 0.2), (1.2, 1.5, 2.0)):
            yield Cell(speakers=count, where=where, share=share, factor=factor)  # type: ignore[arg-type]
        for factor in (1.2, 1.5, 2.0):
            yield Cell(speakers=count, where="four regions", share=1 / 3, factor=factor, world="synthetic")


def nulls(speakers: Sequence[int]) -> Iterator[Cell]:
    """The worlds without one."""
    for count in sorted(speakers):
        yield Cell(speakers=count, where="nowhere", share=0.0, factor=1.0)
        yield Cell(speakers=count, where="nowhere", share=0.0, factor=1.0, world="synthetic")


def line(row: dict[str, object]) -> str:
    """A row of the table that is printed."""
    parts = [f"{row['speakers']:>5}", f"{row['where']:<12}", f"{row['world']:<9}", f"{row['share']:>5.0%}",
             f"x{row['factor']:<4}"]
    for name in ("straight cuts", "cuts and boxes"):
        one = row[name]
        assert isinstance(one, dict)
        gap = one["held_out_gap"]
        parts.append(f"| {one['tested']:>5.0%} {one['found']:>5.0%} {one['overlap']:>6.2f} "
                     f"{'-' if gap is None else f'{gap:.0%}':>6}")
    return " ".join(parts)


HEADER: Final = (f"{'':41}{'| straight cuts':<28}| cuts and boxes\n spkr where        world     share factor"
                 + "| tests found overlp    gap " * 2)


def main() -> None:
    """Measure every kind of world, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20, help="worlds with a region, of each kind")
    parser.add_argument("--null-trials", type=int, default=100, help="worlds without one, of each kind")
    parser.add_argument("--speakers", type=int, nargs="+", default=[100, 200, 500, 2000])
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, help="write to this folder instead of benchmarks/results")
    options = parser.parse_args()
    machine, rows = {**hardware(), "load_at_start": os.getloadavg()[0]}, []
    print(HEADER, flush=True)
    with ProcessPoolExecutor(options.jobs) as pool:
        waiting = [pool.submit(measure, cell, options.null_trials) for cell in nulls(options.speakers)]
        waiting += [pool.submit(measure, cell, options.trials) for cell in cells(options.speakers)]
        for one in waiting:
            rows.append(one.result())
            print(line(rows[-1]), flush=True)
    settings = load_params().discover
    print(write_result("discovery", {"hardware": machine, "settings": json.loads(settings.model_dump_json()),
                                     "worlds": rows}, options.out))


if __name__ == "__main__":
    main()
