"""Measures all parts one after the other, each in a process of its own, and writes the result after each of them."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.gpu.device import machine
from benchmarks.gpu.part import MEASURES, items
from benchmarks.gpu.scale import FULL, TINY, Scale
from benchmarks.hardware import RESULTS, write_result

Rows = dict[str, dict[str, Any]]
MISSING: Final = {"failed", "not_measured"}
"""Of rows that hold a reason instead of figures. Rivals have rows of their own, within a row."""


def main(argv: Sequence[str] | None = None) -> Path:
    """Do what the command line says; returns where the result was written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="a little of everything, on a processor as well")
    parser.add_argument("--parts", nargs="+", choices=MEASURES, default=list(MEASURES), metavar="PART",
                        help=f"some of {', '.join(MEASURES)}")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result (default: benchmarks/results)")
    options = parser.parse_args(argv)
    if not options.tiny and not torch.cuda.is_available():
        parser.error("this machine has no GPU that torch can use: --tiny measures a little on the processor")
    scale = TINY if options.tiny else FULL
    began = time.monotonic()
    result: dict[str, Any] = {**machine(), "scale": scale.name, "parts": {}}
    print(f"{', '.join(card['name'] for card in result['gpus']) or 'no GPU'}  {result['versions']}", flush=True)
    for part in options.parts:
        started = time.monotonic()
        rows = measured(part, scale, ends_at=began + scale.total_s)
        result["parts"][part] = {"rows": rows, "seconds": time.monotonic() - started}
        result["seconds"] = time.monotonic() - began
        path = write_result("gpu" if scale is FULL else f"gpu-{scale.name}", result, options.out)
    print(f"{result['seconds']:.0f} s, {path}")
    wrong = [f"{part} {item}" for part, found in result["parts"].items() for item, row in found["rows"].items()
             if MISSING & row.keys()]
    if wrong:
        parser.exit(1, f"not measured: {', '.join(wrong)}; the result says why\n")
    return path


def measured(part: str, scale: Scale, *, ends_at: float) -> Rows:
    """Rows of a part. A process that dies costs the item that it was at; another one goes on behind it."""
    rows: Rows = {}
    wanted = list(items(part, scale))
    until = min(time.monotonic() + scale.budgets_s[part], ends_at)
    while wanted:
        if time.monotonic() >= until:
            reason = f"the {scale.budgets_s[part]:.0f} s of this part, or the {scale.total_s:.0f} s of all, were over"
            return rows | {item: {"not_measured": reason} for item in wanted}
        rows |= _attempt(part, wanted, scale, until)
        wanted = [item for item in wanted if item not in rows]
    return rows


def _attempt(part: str, wanted: list[str], scale: Scale, until: float) -> Rows:
    """Rows of one process: all of them, or those up to the item that ended it."""
    with tempfile.TemporaryDirectory() as directory:
        findings = Path(directory) / "findings.jsonl"
        findings.touch()
        command = [sys.executable, "-m", "benchmarks.gpu.part", scale.name, part, str(findings), *wanted]
        ended = _run(command, until)
        lines = [json.loads(line) for line in findings.read_text(encoding="utf-8").splitlines()]
    rows: Rows = {line["item"]: line["row"] for line in lines if "row" in line}
    at = next((line["item"] for line in reversed(lines) if line["item"] not in rows), wanted[0])
    if len(rows) < len(wanted):
        print(f"{part}  {at}  {ended}", flush=True)
        rows[at] = {"not_measured": ended}
    return rows


def _run(command: list[str], until: float) -> str:
    """Run a process and all that it starts; how it ended, in words."""
    process = subprocess.Popen(command, start_new_session=True)  # noqa: S603
    try:
        return f"its process ended with status {process.wait(max(1.0, until - time.monotonic()))}"
    except subprocess.TimeoutExpired:
        return "its part's time was over"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


if __name__ == "__main__":
    main()
