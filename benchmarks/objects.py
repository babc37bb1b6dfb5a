"""Objects of every size to and from a store: evenvoice's door, with its SHA-256, beside boto3's TransferManager.

    python -m benchmarks.objects                       a store of its own on this machine (OpenStack Swift)
    python -m benchmarks.objects --url s3://bucket/x   a store that the AWS variables lead to; writes there and stays

Files of one size are sent one after another, and brought back one after another; a large one in parts of 8 MiB, 8 at a
time on both sides. The two take turns, and who begins alternates. What counts is the ratio of a pair of turns, since a
machine that is busy is so for both. Goal: at least 0.9 at each size in both directions.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.hardware import hardware, write_result
from benchmarks.ingest_s3 import MIB, transfer_manager
from evenvoice.object_store import ObjectStore
from tests.builders.object_server import serving

KIB = 1 << 10
SIZES = (KIB, 64 * KIB, MIB, 8 * MIB, 64 * MIB, 512 * MIB)
GOAL = 0.9
BYTES_OF_A_TURN = 32 * MIB
"""Small files are several, so that a turn is longer than a hiccup; never more than :data:`MOST_FILES`."""
MOST_FILES = 32


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One size in one direction."""

    direction: str
    bytes: int
    files: int
    """In each turn."""
    door_s: list[float]
    """Of each turn."""
    transfer_manager_s: list[float]
    ratio: float
    """Median of how many times as fast the door is."""

    @classmethod
    def of(cls, direction: str, size: int, files: int, turns: Sequence[tuple[float, float]]) -> Comparison:
        """``turns`` are seconds of the door and of the TransferManager."""
        return cls(direction=direction, bytes=size, files=files, door_s=[round(ours, 4) for ours, _ in turns],
                   transfer_manager_s=[round(theirs, 4) for _, theirs in turns],
                   ratio=round(statistics.median(theirs / ours for ours, theirs in turns), 3))

    def __str__(self) -> str:
        mib = self.bytes * self.files / MIB
        ours, theirs = (mib / statistics.median(seconds) for seconds in (self.door_s, self.transfer_manager_s))
        return (f"{self.direction:8} {self.bytes / KIB:10,.0f} KiB  {ours:8.2f} MiB/s, TransferManager {theirs:8.2f} "
                f"MiB/s, ratio {self.ratio:.2f}{'' if self.ratio >= GOAL else '  misses the goal'}")


class Files:
    """Files of one size, and where both sides keep them in the store."""

    def __init__(self, store: ObjectStore, folder: Path, size: int) -> None:
        self.store = store
        self.count = max(1, min(MOST_FILES, BYTES_OF_A_TURN // size))
        self.paths = [folder / f"{size}-{number}" for number in range(self.count)]
        self.target = folder / "back"
        block = random.Random(size).randbytes(min(size, MIB))
        for path in self.paths:
            path.write_bytes(block * (size // len(block)))

    def sent_by_door(self) -> None:
        for path in self.paths:
            self.store.upload(path, f"door/{path.name}")

    def sent_by_transfer_manager(self) -> None:
        with transfer_manager() as manager:
            for path in self.paths:
                manager.upload(str(path), self.store.root.bucket, self._key(path, "manager")).result()

    def brought_by_door(self) -> None:
        for path in self.paths:
            self.store.download(f"door/{path.name}", self.target)

    def brought_by_transfer_manager(self) -> None:
        with transfer_manager() as manager:
            for path in self.paths:
                manager.download(self.store.root.bucket, self._key(path, "door"), str(self.target)).result()

    def _key(self, path: Path, side: str) -> str:
        return self.store.root.under(f"{side}/{path.name}").key


def compare(store: ObjectStore, folder: Path, size: int, repeats: int) -> list[Comparison]:
    """Both directions at one size; one turn of each goes before the clock starts."""
    files = Files(store, folder, size)
    found = []
    for direction, ours, theirs in (("upload", files.sent_by_door, files.sent_by_transfer_manager),
                                    ("download", files.brought_by_door, files.brought_by_transfer_manager)):
        ours()
        theirs()
        turns = [_turn(ours, theirs, door_first=turn % 2 == 0) for turn in range(repeats)]
        found.append(Comparison.of(direction, size, files.count, turns))
    for path in (*files.paths, files.target):
        path.unlink()
    return found


def _turn(ours: Callable[[], None], theirs: Callable[[], None], *, door_first: bool) -> tuple[float, float]:
    if door_first:
        return _seconds(ours), _seconds(theirs)
    seconds = _seconds(theirs)
    return _seconds(ours), seconds


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Measure, print, and write the result with the hardware."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="where to write and read; by default a store of its own on this machine")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="bytes of an object")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    results, load = [], os.getloadavg()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = options.url
        if url is None:
            server = stack.enter_context(serving(folder / "store"))
            os.environ.update(server.environment())
            url = f"s3://{server.make_bucket()}/benchmark"
        for size in options.sizes:
            for result in compare(ObjectStore.at(url), folder, size, options.repeats):
                results.append(result)
                print(result, flush=True)
    path = write_result("objects", {
        "store": "OpenStack Swift on this machine" if options.url is None else "given by --url",
        "repeats": options.repeats, "load_at_start": load, "load_at_end": os.getloadavg(), "hardware": hardware(),
        "results": [asdict(result) for result in results]})
    print(f"written to {path}")


if __name__ == "__main__":
    main()
