"""The machine that a figure was measured on, and where figures are kept."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evenvoice.storage import write_json

RESULTS = Path(__file__).resolve().parent / "results"


def hardware() -> dict[str, Any]:
    """Processor, cores that this process may use, memory, operating system."""
    return {"processor": _processor(), "cores": len(os.sched_getaffinity(0)), "memory_gib": round(_memory_gib(), 1),
            "system": platform.platform(), "python": platform.python_version()}


def write_result(name: str, content: dict[str, Any], folder: Path | None = None) -> Path:
    """Write ``<date>-<name>.json`` into ``folder``, or into ``results``, and return its path."""
    path = (folder or RESULTS) / f"{datetime.now(UTC):%Y-%m-%d}-{name}.json"
    write_json(path, content)
    return path


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
