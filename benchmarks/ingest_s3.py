"""How fast recordings come out of an object store: evenvoice's door beside boto3's own TransferManager.

    python -m benchmarks.ingest_s3                       a store of its own on this machine (OpenStack Swift)
    python -m benchmarks.ingest_s3 --url s3://bucket/x   a store that the AWS variables lead to; writes there and stays

Both bring the same objects with the same number of requests at a time, in turns, and hold them in memory as ingest
does or write them to files. The door also verifies what can be verified (MD5 of an object that was put in one piece,
SHA-256 of one that evenvoice wrote) and flushes files to the disk; the TransferManager does neither. What counts is the
ratio of a pair of turns, since a machine that is busy is so for both.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from s3transfer.manager import TransferManager

from benchmarks.hardware import hardware, write_result
from evenvoice.data.corpora.places import HELD_BYTES
from evenvoice.data.fetching import WINDOW
from evenvoice.object_store import ObjectStore
from tests.builders.object_server import serving

MIB = 1 << 20


@dataclass(frozen=True)
class Comparison:
    """Throughput of both over all turns, and their ratio turn by turn."""

    what: str
    mib: float
    door_mib_per_s: list[float]
    transfer_manager_mib_per_s: list[float]
    ratio_median: float
    ratio_lowest: float
    ratio_highest: float


class Recordings:
    """Objects of the size of recordings, held in memory one window at a time."""

    def __init__(self, store: ObjectStore, count: int, kib: int) -> None:
        self.store = store
        self.keys = [f"recordings/{number:05d}.flac" for number in range(count)]
        self.mib = count * kib / 1024
        content = random.Random(0).randbytes(kib << 10)
        with transfer_manager() as manager:
            for key in self.keys:
                manager.upload(io.BytesIO(content), store.root.bucket, store.root.under(key).key)

    def by_door(self) -> None:
        with ThreadPoolExecutor(WINDOW) as pool:
            for file in pool.map(lambda key: self.store.open(key, hold_bytes=HELD_BYTES), self.keys):
                file.close()

    def by_transfer_manager(self) -> None:
        with transfer_manager() as manager:
            futures = [manager.download(self.store.root.bucket, self.store.root.under(key).key, io.BytesIO())
                       for key in self.keys]
            for future in futures:
                future.result()


class LongRecording:
    """One object that is brought to a file by ranges; ``ours``: written with a SHA-256, as evenvoice does."""

    def __init__(self, store: ObjectStore, mib: int, folder: Path, *, ours: bool) -> None:
        self.store = store
        self.mib = float(mib)
        self.path = folder / "long"
        self.path.write_bytes(random.Random(0).randbytes(MIB) * mib)
        if ours:
            store.upload(self.path, "long.wav")
        else:
            with transfer_manager() as manager:
                manager.upload(str(self.path), store.root.bucket, store.root.under("long.wav").key).result()

    def by_door(self) -> None:
        self.store.download("long.wav", self.path)

    def by_transfer_manager(self) -> None:
        with transfer_manager() as manager:
            manager.download(self.store.root.bucket, self.store.root.under("long.wav").key, str(self.path)).result()


def transfer_manager() -> TransferManager:
    """boto3's, with as many requests at a time and parts as large as the door has."""
    client = boto3.client("s3", config=Config(max_pool_connections=2 * WINDOW))
    return TransferManager(client, TransferConfig(max_concurrency=WINDOW, multipart_threshold=8 * MIB,
                                                  multipart_chunksize=8 * MIB))


def compare(what: str, work: Recordings | LongRecording, repeats: int) -> Comparison:
    """Let both bring the same, in turns; who begins alternates, and one turn of each goes before the clock starts."""
    work.by_door()
    work.by_transfer_manager()
    door, manager = [], []
    for turn in range(repeats):
        both: list[tuple[list[float], Callable[[], None]]] = [(door, work.by_door), (manager, work.by_transfer_manager)]
        for speeds, bring in both if turn % 2 == 0 else reversed(both):
            began = time.perf_counter()
            bring()
            speeds.append(round(work.mib / (time.perf_counter() - began), 2))
    ratios = [ours / theirs for ours, theirs in zip(door, manager, strict=True)]
    return Comparison(what, work.mib, door, manager, round(statistics.median(ratios), 3), round(min(ratios), 3),
                      round(max(ratios), 3))


def main() -> None:
    """Measure, print, and write the result with the hardware."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="where to write and read; by default a store of its own on this machine")
    parser.add_argument("--recordings", type=int, default=300)
    parser.add_argument("--kib", type=int, default=250, help="size of a recording: 10 s of FLAC at 16 kHz")
    parser.add_argument("--long-mib", type=int, default=64, help="size of the one long recording")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = options.url
        if url is None:
            server = stack.enter_context(serving(folder / "store"))
            os.environ.update(server.environment())
            url = f"s3://{server.make_bucket()}/benchmark"
        store = ObjectStore.at(url)
        results = [compare("recordings", Recordings(store, options.recordings, options.kib), options.repeats),
                   compare("one long recording", LongRecording(store, options.long_mib, folder, ours=False),
                           options.repeats),
                   compare("one long object with a SHA-256",
                           LongRecording(store, options.long_mib, folder, ours=True), options.repeats)]
    for result in results:
        print(f"{result.what}: {statistics.median(result.door_mib_per_s):.1f} MiB/s, TransferManager "
              f"{statistics.median(result.transfer_manager_mib_per_s):.1f} MiB/s, ratio {result.ratio_median:.2f} "
              f"({result.ratio_lowest:.2f} to {result.ratio_highest:.2f})")
    path = write_result("ingest_s3", {
        "store": "OpenStack Swift on this machine" if options.url is None else "given by --url",
        "requests_at_a_time": WINDOW, "recording_kib": options.kib, "repeats": options.repeats,
        "load_average_at_end": os.getloadavg()[0], "hardware": hardware(),
        "results": [asdict(result) for result in results]})
    print(f"written to {path}")


if __name__ == "__main__":
    main()
