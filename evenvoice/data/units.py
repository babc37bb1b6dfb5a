"""Units: neighbours in the index of a corpus that become one Parquet file together.

Where one ends follows from the ids near its end alone: after a recording whose hash is lower than those of so many
recordings before it and behind it. So files have about the same length, a recording that is changed moves no end, and
one that is added or removed moves only ends within reach of it: all other files stay what they are, byte for byte.
Whoever reads the index finds the same units, in whatever process.
"""

from __future__ import annotations

import hashlib
import pickle
import tempfile
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from evenvoice.data.corpora.recording import Recording
from evenvoice.params import Ingest

ASSUMED_S: Final = 5.0
"""How long a recording is taken to be before it was heard."""
BYTES_PER_SAMPLE: Final = 2


@dataclass(frozen=True)
class Unit:
    """Some recordings, none of which was heard yet."""

    recordings: list[Recording]

    @property
    def name(self) -> str:
        """Stays the same when something before it is added or removed."""
        return f"utterances-{mark_of(self.recordings[-1].key):016x}"


def units_of(recordings: Iterable[Recording], settings: Ingest, scratch: Path) -> Iterator[Unit]:
    """Cut the recordings of an index into units of about ``ingest.shard_mb`` each.

    Those that are to be joined are brought in order of their speakers and splits before, and a unit has all of one.

    Args:
        scratch: a folder in which a nameless file may grow as large as the index.
    """
    reach = _reach(settings)
    if settings.concatenate_max > 1:
        yield from map(Unit, _whole_seats(_cut(by_seat(recordings, scratch), reach)))
    else:
        yield from map(Unit, _cut(recordings, reach))


def mark_of(key: str) -> int:
    """Hash of an id, of 64 bits."""
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def by_seat(recordings: Iterable[Recording], scratch: Path) -> Iterator[Recording]:
    """Yield the recordings speaker by speaker and split by split, in order of the first recording of each.

    Of each recording two numbers are held; the rest waits on the disk.
    """
    seats: dict[tuple[str, str | None], int] = {}
    numbers, starts = array("I"), array("Q")
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=scratch) as file:
        for recording in recordings:
            numbers.append(seats.setdefault((recording.speaker, recording.split), len(seats)))
            starts.append(file.tell())
            pickle.dump(recording, file, pickle.HIGHEST_PROTOCOL)
        for place in map(int, np.argsort(np.frombuffer(numbers, np.uint32), kind="stable")):
            if file.tell() != starts[place]:
                file.seek(starts[place])
            yield pickle.load(file)  # noqa: S301 - written above, into a file without a name


def _reach(settings: Ingest) -> int:
    """How far a lowest hash reaches to both sides; a unit has twice as many recordings on the average, and one."""
    each = ASSUMED_S * settings.sample_rate * BYTES_PER_SAMPLE * settings.concatenate_repeats
    return max(1, round(settings.shard_mb * 2**20 / each / 2))


def _cut(recordings: Iterable[Recording], reach: int) -> Iterator[list[Recording]]:
    held: list[Recording] = []
    rising: deque[tuple[int, int]] = deque()
    """Place and hash of those among the last ``reach`` that no later one is below: the first is the lowest."""
    lowest = None
    for place, recording in enumerate(recordings):
        held.append(recording)
        mark = mark_of(recording.key)
        while rising and rising[-1][1] > mark:
            rising.pop()
        if rising and rising[0][0] < place - reach:
            rising.popleft()
        if not rising and place >= reach:
            lowest = place
        rising.append((place, mark))
        if lowest is not None and place - lowest == reach:
            yield held[:-reach]
            held = held[-reach:]
    if held:
        yield held


def _whole_seats(parts: Iterable[list[Recording]]) -> Iterator[list[Recording]]:
    """Move the end of each part behind the last recording of its speaker and split."""
    held: list[Recording] = []
    for part in parts:
        moved = 0
        while held and moved < len(part) and _seat(part[moved]) == _seat(held[-1]):
            moved += 1
        if held and moved < len(part):
            yield held + part[:moved]
            held = part[moved:]
        else:
            held = held + part
    if held:
        yield held


def _seat(recording: Recording) -> tuple[str, str | None]:
    return recording.speaker, recording.split
