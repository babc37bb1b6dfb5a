"""How often the regression on declared columns is wrong, in worlds whose truth is known.

    python -m benchmarks.declared                   1,000 worlds of each kind and size, some minutes on two cores
    python -m benchmarks.declared --trials 50       a first look

Tables only. A speaker has 72 words on average, of a gamma distribution with a coefficient of variation of 0.5. Error
rates differ between speakers by 0.7 around 10 %, gamma as the model says, or log-normal as it does not. One column
has two groups that err alike, the other four of which one errs 1.5 times as much.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.hardware import hardware, write_result
from evenvoice.metrics.partitions import FrozenCohort, Partition
from evenvoice.metrics.regression import regress
from evenvoice.metrics.speakers import SplitTable
from evenvoice.params import BASE

WER: Final = 0.1
WORDS: Final = 72
VARIATION: Final = 0.7
RATIO: Final = 1.5
COLUMNS: Final = {"alike": ("a", "b"), "harmed": ("p", "q", "r", "s")}
LEVEL: Final = 0.05
SIZES: Final = (50, 100, 200, 450)
KINDS: Final = ("gamma", "log-normal")


def rates(kind: str, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Factors (S,) of speakers, with mean 1."""
    if kind == "gamma":
        return rng.gamma(VARIATION**-2, VARIATION**2, size)
    spread = float(np.log1p(VARIATION**2))
    return rng.lognormal(-spread / 2, np.sqrt(spread), size)


def world(kind: str, size: int, rng: np.random.Generator) -> tuple[SplitTable, list[Partition]]:
    """Speakers, and the columns that declare them."""
    groups = {column: rng.choice(values, size).astype(object) for column, values in COLUMNS.items()}
    words = 1 + rng.poisson((WORDS - 1) * rng.gamma(4, 1 / 4, size))
    mean = words * WER * rates(kind, size, rng) * np.where(groups["harmed"] == "s", RATIO, 1.0)
    table = SplitTable(split="test", speakers=np.array([f"s{number}" for number in range(size)], dtype=object),
                       words=words, errors={BASE: rng.poisson(mean)},
                       cohorts={f"attributes-{column}": labels for column, labels in groups.items()})
    return table, [Partition(method=f"attributes-{column}", applicable=True, reason="declared", cohorts=tuple(
        FrozenCohort(cohort=value, rule=value, discover_speakers=20, discover_words=2000, discover_wer=WER)
        for value in values)) for column, values in COLUMNS.items()]


def trial(kind: str, size: int, seed: int) -> tuple[bool, bool] | None:
    """Whether equal groups are called different, and whether the interval holds the true ratio.

    None without a fit, and where the harmed group is the largest, so that others are held against it.
    """
    found = regress(*world(kind, size, np.random.default_rng([seed, size, KINDS.index(kind)])), BASE)
    if found is None or not found.columns:
        return None
    alike, harmed = found.columns
    [group] = [one for one in harmed.groups if one.cohort == "s"]
    if alike.p is None or group.rate_ratio_low is None or group.rate_ratio_high is None:
        return None
    return alike.p < LEVEL, group.rate_ratio_low <= RATIO <= group.rate_ratio_high


def main(argv: Sequence[str] | None = None) -> Path:
    """Count, print and keep the figures; returns where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, help="write to this folder instead of benchmarks/results")
    options = parser.parse_args(argv)
    machine, rows = hardware(), list[dict[str, Any]]()
    print(f"{'speakers':>8} {'their rates':<12}{'worlds':>7}{'called different':>18}{'interval holds':>16}")
    with ProcessPoolExecutor(options.jobs) as pool:
        for size in SIZES:
            for kind in KINDS:
                told = [one for one in pool.map(partial(trial, kind, size), range(options.trials), chunksize=25) if one]
                if not told:
                    continue
                rows.append({"speakers": size, "rates": kind, "worlds": len(told),
                             "called_different": sum(different for different, _ in told) / len(told),
                             "interval_holds": sum(holds for _, holds in told) / len(told)})
                print(f"{size:>8} {kind:<12}{len(told):>7}{rows[-1]['called_different']:>18.1%}"
                      f"{rows[-1]['interval_holds']:>16.1%}", flush=True)
    path = write_result("declared-regression", {"hardware": machine, "rows": rows}, options.out)
    print(path)
    return path


if __name__ == "__main__":
    main()
