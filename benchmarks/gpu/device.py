"""The device that is measured: who it is, when it is done, what it holds, and what happens when it holds no more."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import time
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from benchmarks.hardware import hardware

T = TypeVar("T")
MIB = 1 << 20
VERSIONS = ("torch", "triton", "torchaudio", "numpy", "pyarrow")


def here() -> torch.device:
    """The first GPU, or the processor where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def machine() -> dict[str, Any]:
    """Card, processor, and the versions that figures depend on."""
    found: dict[str, Any] = {"hardware": hardware(), "versions": {name: _version(name) for name in VERSIONS},
                             "cuda": torch.version.cuda, "gpus": [], "threads": torch.get_num_threads()}
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        found["gpus"].append({"name": card.name, "memory_mib": card.total_memory // MIB,
                              "multiprocessors": card.multi_processor_count,
                              "capability": f"{card.major}.{card.minor}"})
    return found


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds until the device has done ``work``, and its result."""
    _wait()
    began = time.perf_counter()
    result = work()
    _wait()
    return time.perf_counter() - began, result


def with_peak(work: Callable[[], T]) -> tuple[T, float | None]:
    """The result of ``work``, and the most MiB by which the GPU's allocations grew meanwhile; None on a processor."""
    if not torch.cuda.is_available():
        return work(), None
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    result = work()
    _wait()
    return result, (torch.cuda.max_memory_allocated() - before) / MIB


def unless_out_of_memory(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``work`` returns, or how much it held when the GPU had no more, and what it asked for then."""
    try:
        return work()
    except torch.OutOfMemoryError as error:
        said, held = str(error).splitlines()[0], torch.cuda.max_memory_allocated() / MIB
    # outside of the handler, whose traceback would keep the tensors alive
    torch.cuda.empty_cache()
    return {"out_of_memory": said, "held_mib": held}


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
