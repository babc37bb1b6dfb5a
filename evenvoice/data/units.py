"""Units: neighbours in the index of a corpus that become one Parquet file together.

Where one ends follows from the ids near its end alone: after a recording whose hash is lower than those of so many
recordings before it and behind it. So files have about the same length, a recording that is changed or refused moves
no end, and one that is added or removed moves only ends within reach of it: all other files stay what they are, byte
for byte. Whoever reads the index finds the same units, in whatever process.
"""

from __future__ import annotations

import hashlib
import pickle
import tempfile
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.corpora.recording import Recording
from evenvoice.data.pieces import Shard
from evenvoice.errors import CorpusError
from evenvoice.params import Ingest

ASSUMED_S: Final = 5.0
"""How long a recording is taken to be before it was heard."""
BYTES_PER_SAMPLE: Final = 2
AT_ONCE: Final = 1 << 16
"""Hashes that are looked at together."""
WHOLE: Final = Shard(1, 1)
Marks = NDArray[np.uint64]
"""Hashes of ids, in order."""
Accept = Callable[[Iterable[Recording]], Iterable[Recording]]
"""Gives back those that passed, as they are to be."""


@dataclass(frozen=True)
class Unit:
    """Some recordings, none of which was heard yet.

    Attributes:
        name: stays the same when something before it is added or removed.
    """

    name: str
    recordings: list[Recording]


def units_of(recordings: Iterable[Recording], marks: Marks, accept: Accept, settings: Ingest, scratch: Path,
             share: Shard = WHOLE) -> Iterator[Unit]:
    """Cut the recordings of an index into units of about ``ingest.shard_mb`` each; yield those of a share.

    Those that are to be joined are brought in order of their speakers and splits before, and a unit has all of one.

    Args:
        marks: of all ``recordings``, as :func:`mark_of` gives them.
        accept: is asked of all recordings where they are joined, else of those of the share alone.
        scratch: a folder in which a nameless file may grow as large as the index.
    """
    if settings.concatenate_max > 1:
        with Seats.of(accept(recordings), scratch) as seats:
            yield from _cut(seats, seats.whole(ends(seats.marks, reach_of(settings))), seats.marks, list, share)
    else:
        yield from _cut(recordings, ends(marks, reach_of(settings)), marks, accept, share)


def mark_of(key: str) -> int:
    """Hash of an id, of 64 bits."""
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def reach_of(settings: Ingest) -> int:
    """How far a lowest hash reaches to both sides; a unit has twice as many recordings on the average, and one."""
    each = ASSUMED_S * settings.sample_rate * BYTES_PER_SAMPLE * settings.concatenate_repeats
    return max(1, round(settings.shard_mb * 2**20 / each / 2))


def ends(marks: Marks, reach: int) -> NDArray[np.intp]:
    """How many recordings are in front of the end of each unit: an end is behind what is lowest within reach."""
    middles = max(0, len(marks) - 2 * reach)
    behind = [first + reach + 1 + np.flatnonzero(part[reach:len(part) - reach] == _lowest(part, 2 * reach + 1))
              for first in range(0, middles, AT_ONCE)
              for part in [marks[first:min(first + AT_ONCE, middles) + 2 * reach]]]
    return np.concatenate([*behind, [len(marks)]]).astype(np.intp)


def _lowest(marks: Marks, window: int) -> Marks:
    """The minimum of each window.

    It is that of two runs, one up to a border and one from there on, where borders are as far apart as a window is
    long (van Herk, Pattern Recognition Letters 13, 1992).
    """
    runs = np.full((len(marks) // window + 1, window), np.iinfo(np.uint64).max)
    runs.reshape(-1)[:len(marks)] = marks
    to_border = np.minimum.accumulate(runs[:, ::-1], axis=1)[:, ::-1].reshape(-1)
    from_border = np.minimum.accumulate(runs, axis=1).reshape(-1)
    last = len(marks) - window + 1
    return np.minimum(to_border[:last], from_border[window - 1:window - 1 + last])


@dataclass(frozen=True)
class Seats:
    """Recordings speaker by speaker and split by split, in order of the first recording of each.

    Of each recording three numbers are held; the rest waits on the disk.
    """

    marks: Marks
    _seats: NDArray[np.uint32]
    _starts: NDArray[np.uint64]
    """Where each stands in the file."""
    _file: BinaryIO

    @classmethod
    @contextmanager
    def of(cls, recordings: Iterable[Recording], scratch: Path) -> Iterator[Seats]:
        """Bring recordings into this order, for as long as the context is open."""
        known: dict[tuple[str, str | None], int] = {}
        seats, starts, marks = array("I"), array("Q"), array("Q")
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=scratch) as file:
            for recording in recordings:
                seats.append(known.setdefault((recording.speaker, recording.split), len(known)))
                starts.append(file.tell())
                marks.append(mark_of(recording.key))
                pickle.dump(recording, file, pickle.HIGHEST_PROTOCOL)
            order = np.argsort(np.frombuffer(seats, np.uint32), kind="stable")
            held = cls(np.frombuffer(marks, np.uint64)[order], np.frombuffer(seats, np.uint32)[order],
                       np.frombuffer(starts, np.uint64)[order], file)
            del seats, starts, marks, order
            yield held

    def __iter__(self) -> Iterator[Recording]:
        """Yield the recordings."""
        for start in map(int, self._starts):
            if self._file.tell() != start:
                self._file.seek(start)
            yield pickle.load(self._file)  # noqa: S301 - written above, into a file without a name

    def whole(self, ends: NDArray[np.intp]) -> NDArray[np.intp]:
        """Move each end behind the last recording of its speaker and split."""
        of_seats = np.append(np.flatnonzero(np.diff(self._seats)) + 1, len(self._seats))
        return np.unique(of_seats[np.searchsorted(of_seats, ends)])


def _cut(recordings: Iterable[Recording], ends: NDArray[np.intp], marks: Marks, accept: Accept,
         share: Shard) -> Iterator[Unit]:
    """Yield the units of a share; what is in front of them is passed over, and what is behind them is not read."""
    stream, place, behind = iter(recordings), 0, ends.tolist()
    for begin, end in zip(share.of([0, *behind[:-1]]), share.of(behind), strict=True):
        deque(islice(stream, begin - place), maxlen=0)
        found, place = list(islice(stream, end - begin)), end
        if len(found) < end - begin or mark_of(found[-1].key) != marks[end - 1]:
            raise CorpusError(name="the corpus", rule="stay what it is while it is read",
                              value=f"other ids than before among the first {end}", action="Run the stage again.")
        yield Unit(f"utterances-{marks[end - 1]:016x}", list(accept(found)))
