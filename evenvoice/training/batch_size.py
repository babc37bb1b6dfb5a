"""How much speech a batch holds where ``train.batch_s`` is ``auto``: what the GPU has room for after two trial steps.

The longest recordings are tried, which need most memory per second of speech. What a step takes grows in proportion to
its speech, so two steps tell how much fits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from evenvoice.training.distributed import World

ON_A_PROCESSOR_S: Final = 25.0
"""The value of params.yaml: on a processor larger batches are no faster, and fewer steps learn less."""
TRIED_S: Final = (50.0, 200.0)
MOST_S: Final = 2400.0
"""Beyond, a GPU trains hardly faster."""
MOST_OF_THE_SPEECH: Final = 1 / 20
"""An epoch has as many batches at least."""
MEMORY_SHARE: Final = 0.7
"""Of what is free; the rest is for longer labels, and for pieces that nothing fits into."""


@dataclass(frozen=True)
class Trial:
    """One step that was tried."""

    batch_s: float
    peak_bytes: int
    """By which allocations grew meanwhile."""


def roomy_batch_s(trials: tuple[Trial, Trial], *, free_bytes: int, speech_s: float, longest_s: float) -> float:
    """Seconds of speech that fit, rounded down to two digits.

    Args:
        trials: the smaller one first.
        free_bytes: what training may take beside weights and optimiser.
        speech_s: of all recordings.
        longest_s: the longest recording, which every batch must be able to hold.
    """
    small, large = trials
    per_s = (large.peak_bytes - small.peak_bytes) / (large.batch_s - small.batch_s)
    fits_s = MOST_S
    if per_s > 0:
        fits_s = small.batch_s + (MEMORY_SHARE * free_bytes - small.peak_bytes) / per_s
    return max(_two_digits(min(fits_s, MOST_S, MOST_OF_THE_SPEECH * speech_s)), float(np.ceil(longest_s)))


def _two_digits(seconds: float) -> float:
    if seconds < 1:
        return 0.0
    unit = 10.0 ** (np.floor(np.log10(seconds)) - 1)
    return float(np.floor(seconds / unit) * unit)


def longest_within(batch_s: float, durations_s: NDArray[np.floating], indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """The longest of ``indices``, as many as a batch of so many seconds holds, but at least one."""
    order = indices[np.argsort(-durations_s[indices], kind="stable")]
    count = int(batch_s // float(durations_s[order[0]]))
    return order[:max(1, count)]


def measured_trial(batch_s: float, step: Callable[[], None], device: torch.device) -> Trial:
    """Take a step of ``batch_s`` seconds and see how far allocations on a GPU grow."""
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    step()
    torch.cuda.synchronize(device)
    return Trial(batch_s, torch.cuda.max_memory_allocated(device) - before)


def free_bytes(device: torch.device) -> int:
    """Memory of a GPU that nothing uses, what PyTorch holds in store included."""
    return (torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
            - torch.cuda.memory_allocated(device))


def chosen_batch_s(step: Callable[[NDArray[np.int64]], None], *, durations_s: NDArray[np.floating],
                   indices: NDArray[np.int64], world: World) -> float:
    """Seconds of speech per batch, the same in all processes: the first one's GPU decides.

    Args:
        step: forward and backward over a batch of these recordings, which leaves no gradient behind.
        durations_s: (recordings,) of the whole store.
        indices: recordings to train on.
        world: every process of it must call this.
    """
    longest_s = world.largest(float(durations_s[indices].max(initial=0.0)))
    if world.device.type == "cpu":
        return max(ON_A_PROCESSOR_S, float(np.ceil(longest_s)))
    room = free_bytes(world.device)
    tried = [longest_within(tried_s, durations_s, indices) for tried_s in TRIED_S]
    small, large = (measured_trial(float(durations_s[some].sum()), partial(step, some), world.device) for some in tried)
    found_s = large.batch_s if large.batch_s == small.batch_s else roomy_batch_s(
        (small, large), free_bytes=room, speech_s=float(durations_s[indices].sum()), longest_s=longest_s)
    return float(world.broadcast(repr(found_s).encode()))
