"""How time, memory and bytes of every stage of a recogniser, from ingest to gate, grow with the hours of speech.

    python -m benchmarks.scale 1 10 100

Each size is a synthetic corpus through the stages that dvc.yaml names, one after another, each a process of its own.
Trainings make a fixed number of updates of the smallest model, so what grows is what data makes grow. Goals: CPU
seconds per hour of speech linear within 15 % and memory flat within 20 %, from each size to the next. CPU seconds hold
on a machine that does other work as long as it is not crowded; what it did otherwise stands beside each figure.

Every stage that is done is kept in .evenvoice/scale: a benchmark that is started again goes on from there. The result
goes to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.hardware import hardware, write_result
from benchmarks.scaling.growth import MOST_MEMORY, MOST_TIME, Growth, foretold_s, growths
from benchmarks.scaling.road import ROOT, Size, StageCost, measure

HEAD = "stage                     CPU s     wall s  memory MB  files   from store     to store   load  others  stolen"


def told(stage: StageCost) -> str:
    """One stage, as a line of the table under :data:`HEAD`; megabytes and cores."""
    cost = stage.cost
    return (f"{stage.stage:24} {cost.cpu_s:7.1f} {cost.wall_s:10.1f} {cost.memory_mb:10.0f} {stage.files:6} "
            f"{stage.from_store_mb:12.1f} {stage.to_store_mb:12.1f} {cost.load_before:6.1f} {cost.others_cores:7.2f} "
            f"{cost.stolen_cores:7.2f}")


def compared(found: Sequence[Growth]) -> list[str]:
    """How each stage grew, and which goals it missed."""
    smaller, larger = found[0].hours
    lines = [f"from {smaller:.1f} to {larger:.1f} h: CPU s per hour (at most {MOST_TIME:g} times), wall s per hour, "
             f"memory MB (at most {MOST_MEMORY:g} times)"]
    for growth in found:
        (cpu, more_cpu), (wall, more_wall), (memory, more_memory) = (
            growth.cpu_s_per_hour, growth.wall_s_per_hour, growth.memory_mb)
        missed = f"  misses {' and '.join(growth.missed)}" if growth.missed else ""
        lines.append(f"{growth.stage:24} {cpu:8.2f} {more_cpu:8.2f} {growth.time_ratio:5.2f}x {wall:9.2f} "
                     f"{more_wall:8.2f} {memory:9.0f} {more_memory:7.0f} {growth.memory_ratio:5.2f}x{missed}")
    return lines


def _measured(hours: float, work: Path, known: Sequence[Size]) -> Size:
    foretold, began = foretold_s(hours, known), time.monotonic()
    print(f"\n{hours:g} h" + (f", about {foretold / 60:.0f} minutes" if foretold else "") + f"\n{HEAD}", flush=True)
    size = measure(hours, work, lambda stage: print(told(stage), flush=True))
    print(f"{size.hours:.2f} h, {size.recordings:,} recordings; measured in {time.monotonic() - began:.0f} s",
          flush=True)
    return size


def main() -> None:
    """Measure each size, compare, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hours", type=float, nargs="+")
    parser.add_argument("--work", type=lambda text: Path(text).resolve(), default=ROOT / ".evenvoice" / "scale",
                        help="where figures of stages that are done are kept")
    options = parser.parse_args()
    machine = {**hardware(), "load_at_start": os.getloadavg()}
    sizes: list[Size] = []
    for hours in sorted(options.hours):
        sizes.append(_measured(hours, options.work, sizes))
    grown = [growths(smaller, larger) for smaller, larger in itertools.pairwise(sizes)]
    for found in grown:
        print("\n" + "\n".join(compared(found)), flush=True)
    print(write_result("scale", {
        "hardware": {**machine, "load_at_end": os.getloadavg()}, "speech": "synthetic",
        "sizes": [asdict(size) for size in sizes],
        "growth": [[{**asdict(one), "time_ratio": one.time_ratio, "memory_ratio": one.memory_ratio,
                     "missed": one.missed} for one in found] for found in grown]}))


if __name__ == "__main__":
    main()
