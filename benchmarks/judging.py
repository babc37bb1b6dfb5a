"""What judging many speakers takes, step by step, beside what others take for parts of it; time and memory.

    python -m benchmarks.judging                            10,000, 100,000 and 1,000,000 speakers, with all peers
    python -m benchmarks.judging --sizes 10000 --no-peers   a first look

A world has ten recordings of each speaker, columns, places and voices; a region and an accent have twice the errors. It
is written as a run writes it, and each size is a process of its own that reads it, finds cohorts in three ways, places
everyone, compares and judges by the settings of `evenvoice judge`. Peers get the same speakers in the same run, each in
a process of its own. What of a peer would take more than three minutes is run smaller, and the table says what was run.
The result goes to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.hardware import hardware, write_result
from benchmarks.million.peers import peers
from benchmarks.million.steps import settings
from benchmarks.million.world import RECORDINGS

ROOT = Path(__file__).resolve().parents[1]
SIZES: Final = (10_000, 100_000, 1_000_000)
LIMIT_S: Final = 180.0
"""What would take a peer longer is run smaller."""
COUNTED: Final = 20_000
"""Recordings whose errors are counted from texts."""


def main(argv: Sequence[str] | None = None) -> Path:
    """Measure every size, print and keep the figures; returns where."""
    options = _parser().parse_args(argv)
    machine = {**hardware(), "load_at_start": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory(prefix="evenvoice-judging-") as folder:
        work = Path(folder)
        counting = _child("counting", str(options.counted), result=work / "result.json")
        print(counted(counting), flush=True)
        sizes, beside = [], []
        for speakers in options.sizes:
            sizes.append({"speakers": speakers, **_judged(speakers, work / str(speakers))})
            print(steps_of(sizes[-1]), flush=True)
            for row in _peers(speakers, options, work) if options.peers else ():
                beside.append(row)
                print(peer_line(row, sizes), flush=True)
    return write_result("judging", {
        "hardware": machine, "settings": json.loads(settings().model_dump_json()), "recordings_per_speaker": RECORDINGS,
        "sizes": sizes, "peers": beside, "peer_limit_s": options.limit_s, "counting": counting}, options.out)


def _judged(speakers: int, folder: Path) -> dict[str, Any]:
    """One size from its tables to a verdict; the tables are removed again."""
    # written in a process of its own, too: what it held would count as this one's
    _run("world", str(speakers), str(folder))
    try:
        return _child("steps", str(folder), result=folder / "result.json")
    finally:
        shutil.rmtree(folder)


def _peers(speakers: int, options: argparse.Namespace, work: Path) -> Iterator[dict[str, Any]]:
    """Rows of one size; peers of a fixed size come with the first."""
    for name, peer in peers().items():
        if peer.speakers is None or speakers == options.sizes[0]:
            yield _child("peers", name, str(speakers), str(options.limit_s), result=work / "result.json")


def _child(module: str, *arguments: str, result: Path) -> dict[str, Any]:
    _run(module, *arguments, str(result))
    content: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return content


def _run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", f"benchmarks.million.{module}", *arguments], check=True,  # noqa: S603
                   cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def counted(row: dict[str, Any]) -> str:
    """How fast errors are counted, in words."""
    rates = ", ".join(f"{name} {one['recordings_per_s']:,.0f}" for name, one in row["normalisers"].items())
    return f"recordings counted per second of one core, {row['words']} words each: {rates}"


def steps_of(size: dict[str, Any]) -> str:
    """The table of one size."""
    total = sum(cost["wall_s"] for cost in size["steps"])
    peak = max(cost["peak_mb"] for cost in size["steps"])
    rows = [f"\n{size['speakers']:,} speakers, {size['speakers'] * RECORDINGS:,} recordings: {size['verdict']}",
            f"{'':48}{'wall, s':>9}{'CPU, s':>9}{'peak, MB':>10}"]
    rows += [f"  {cost['step']:46}{cost['wall_s']:9.2f}{cost['cpu_s']:9.2f}{cost['peak_mb']:10,.0f}"
             for cost in size["steps"]]
    return "\n".join([*rows, f"  {'all':46}{total:9.2f}{'':9}{peak:10,.0f}"])


def peer_line(row: dict[str, Any], sizes: Sequence[dict[str, Any]]) -> str:
    """A row of the table: what a peer took, and how many times that of ours where it did all of its work."""
    cut = "" if row["count"] == row["wanted"] else f" of {row['wanted']:,}"
    did = (f"{row['speakers']:,} speakers, {row['count']:,}{cut} {row['repeats']}, "
           f"{1000 * row['wall_s'] / row['count']:,.2f} ms each")
    ours = [cost["wall_s"] for size in sizes for cost in size["steps"]
            if (size["speakers"], cost["step"]) == (row["speakers"], row["beside"])]
    ratio = f", {row['wall_s'] / ours[0]:.2g} times {row['beside']}" if ours and not cut else ""
    return f"  {row['peer']:46}{row['wall_s']:9.2f}{row['cpu_s']:9.2f}{row['peak_mb']:10,.0f}  {did}{ratio}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judging", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="SPEAKERS")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True,
                        help="measure scikit-learn, scipy and fairlearn beside")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="what takes a peer longer is run smaller")
    parser.add_argument("--counted", type=int, default=COUNTED, help="recordings to count errors of")
    parser.add_argument("--out", type=Path, help="folder of the result, instead of benchmarks/results")
    return parser


if __name__ == "__main__":
    print(main())
