"""Seconds and peak memory of a piece of work in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
STATUS = Path("/proc/self/status")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a piece of work took.

    Attributes:
        cpu_s: of all threads.
        peak_mb: the most that the process held in memory during the work, all that it held before included.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float


def measured(work: Callable[[], T]) -> tuple[T, Cost]:
    """Do it, and say what it took."""
    _forget_peak()
    began, began_cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, Cost(wall_s=time.perf_counter() - began, cpu_s=time.process_time() - began_cpu, peak_mb=_peak_mb())


def _forget_peak() -> None:
    """Peaks are counted anew from here; where the kernel does not allow it they count from the start."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def _peak_mb() -> float:
    line = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
