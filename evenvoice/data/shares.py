"""Which files of features each of several processes draws its batches from, and which each machine therefore needs.

With many files every process has a share of its own: each fourth of them in a training of four. Neighbours are dealt
to different processes because corpora come sorted, by split or by speaker, and so every share holds a bit of
everything. With few files every process draws from all. Files and processes alone decide, never machines: two
processes on one machine train on what two processes on two machines do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

FEWEST_FILES: Final = 4
"""Of each process: with fewer, shares would differ too much in length [design]."""
T = TypeVar("T")


def files_of_process(files: Sequence[T], process: int, processes: int) -> Sequence[T]:
    """Files that a process draws from, in order.

    Args:
        files: all of them, in order, whether or not they are here.
        process: its rank, from 0.
        processes: that train together.
    """
    return files[process::processes] if _is_shared(files, processes) else files


def files_of_machine(files: Sequence[T], machine: int, machines: int, processes: int) -> Sequence[T]:
    """Files that a machine needs, in order.

    Args:
        files: all of them, in order.
        machine: number of the machine, from 1; the first one has the processes with the lowest ranks.
        machines: that share the processes evenly.
        processes: of all machines.
    """
    if not _is_shared(files, processes):
        return files
    first, last = ((number * processes) // machines for number in (machine - 1, machine))
    return [file for place, file in enumerate(files) if first <= place % processes < last]


def _is_shared(files: Sequence[T], processes: int) -> bool:
    return processes > 1 and len(files) >= FEWEST_FILES * processes
