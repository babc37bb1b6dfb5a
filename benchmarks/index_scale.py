"""What an index of millions of recordings takes: ingest's look at it, its shards, and training's index of features.

    python -m benchmarks.index_scale 1 5           millions of recordings
    python -m benchmarks.index_scale 72            100 000 hours

No audio is there: ids, speakers (one per 90 recordings) and transcripts are made up while they are asked for, and
features have one frame of one band, while their lengths say 1 to 16 s. All else is the code of the stages. Two
processes go side by side, as on two cores: one looks at the descriptions, draws splits by speaker and cuts the index
into units, and the other opens the features and plans one epoch of batches, as the first of so many processes would
that train together without shares. Memory is the largest resident memory that is no file's (RssAnon). The result goes
to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks.hardware import hardware, write_result
from evenvoice.data.arrivals import Arrivals
from evenvoice.data.batches import BatchPlan
from evenvoice.data.corpora.recording import Labelled, Recording
from evenvoice.data.declared import Declared
from evenvoice.data.descriptions import Index, Intake, look_at
from evenvoice.data.feature_store import STATISTICS, FeatureStore
from evenvoice.data.markup import Tally
from evenvoice.data.pieces import Shard
from evenvoice.data.schemas import FEATURES, SPLITS
from evenvoice.data.tables import write_ipc_shards
from evenvoice.data.units import ends, reach_of, units_of
from evenvoice.origins import write_contents
from evenvoice.params import load_params
from evenvoice.progress import Progress
from evenvoice.storage import write_json

ROOT: Final = Path(__file__).resolve().parents[1]
PER_SPEAKER: Final = 90
PER_FILE: Final = 1400
"""Recordings of 5 s in a file of the corpus of 128 MiB, and so in one of its features."""
PER_BATCH: Final = 32
"""As featurize writes record batches."""
FRAMES_PER_S: Final = 100
BYTES_PER_RECORDING: Final = 64_000
"""Features of 5 s."""
WORDS: Final = ("please", "turn", "on", "the", "light", "in", "my", "room", "and", "call", "them", "at", "seven")
LOOK_EVERY_S: Final = 0.1


@dataclass(frozen=True)
class NoAudio:
    """Nothing that could be heard."""

    def load(self, *, name: str, max_duration_s: float) -> Any:
        """Never asked for, since nothing here is heard."""
        raise AssertionError(f"{name} has no audio")


@dataclass(frozen=True)
class MadeUp:
    """A corpus of so many descriptions."""

    size: int
    labelled: Labelled = "recorded"

    def recordings(self) -> Iterator[Recording]:
        """Each made when it is asked for, the same every time."""
        audio, words = NoAudio(), len(WORDS)
        sentences = [" ".join(WORDS[(first * step) % words] for step in range(1, 12)).capitalize() + "."
                     for first in range(words)]
        for number in range(self.size):
            yield Recording(key=f"recording-{number:09d}", speaker=f"speaker {number // PER_SPEAKER:07d}",
                            text=sentences[number % words], audio=audio)

    def census(self) -> None:
        """None."""

    def unnamed_audio(self) -> None:
        """None."""


@dataclass
class Step:
    """What one part of the work took."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory_mb: float = 0.0
    """Grown meanwhile, beyond what imports take."""
    found: dict[str, Any] = field(default_factory=dict)


def measured(work: Callable[[], dict[str, Any]]) -> Step:
    """Do it, and look at this process's memory meanwhile."""
    before, largest, over = anonymous_bytes(), [0], threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_EVERY_S):
            largest[0] = max(largest[0], anonymous_bytes())

    watching = threading.Thread(target=watch)
    watching.start()
    began, cpu = time.monotonic(), time.process_time()
    found = work()
    step = Step(round(time.monotonic() - began, 1), round(time.process_time() - cpu, 1), 0.0, found)
    over.set()
    watching.join()
    step.memory_mb = round((max(largest[0], anonymous_bytes()) - before) / 1e6, 1)
    return step


def anonymous_bytes() -> int:
    """Resident memory of this process that is no file's."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon")]
    return 1024 * int(line.split()[1])


def planned(size: int, shards: int) -> dict[str, Step]:
    """Look at so many descriptions as every shard of ingest does, cut them into units, and read the last share."""
    settings = load_params(ROOT / "params.yaml").ingest.model_copy(update={"splits": "speakers", "corpus": "made-up"})
    intake = Intake(settings, Arrivals(Tally(settings.markup)), Declared(settings.columns))
    looked: list[Index] = []

    def look() -> dict[str, Any]:
        looked.append(look_at(MadeUp(size), intake, 1, Path(scratch) / "rejected.tsv"))
        of_split = [split for _, split in looked[0].placement.speakers]
        return {"speakers": {split: of_split.count(split) for split in SPLITS}, "passed": looked[0].passed}

    def cut() -> dict[str, Any]:
        behind = ends(looked[0].marks, reach_of(settings))
        return {"units": len(behind), "longest": int(np.diff(behind, prepend=0).max())}

    def share() -> dict[str, Any]:
        [index] = looked
        units = units_of(index.corpus.recordings(), index.marks, partial(index.accepted, progress=Progress("cut")),
                         settings, Path(scratch), Shard(max(1, shards), max(1, shards)))
        lengths = [len(unit.recordings) for unit in units]
        return {"of": shards, "units": len(lengths), "recordings": sum(lengths)}

    with tempfile.TemporaryDirectory(prefix="evenvoice-index-") as scratch:
        return {"descriptions checked, unique, split by speakers": measured(look), "cut into units": measured(cut),
                "the last share read": measured(share)}


def write_index(directory: Path, size: int) -> None:
    """Write features of so many recordings, all in the train split but every tenth, without any sound."""
    directory.mkdir(parents=True)
    rng = np.random.default_rng(1)
    for number, first in enumerate(range(0, size, PER_FILE)):
        rows = range(first, min(size, first + PER_FILE))
        write_ipc_shards(directory, f"features-{number:05d}", FEATURES, [_batch(rows[start:start + PER_BATCH], rng)
                         for start in range(0, len(rows), PER_BATCH)], 128, "features")
    write_json(directory / STATISTICS, {"mean": [0.0], "std": [1.0]})
    write_contents(directory)


def _batch(rows: range, rng: np.random.Generator) -> pa.RecordBatch:
    seconds = np.clip(rng.lognormal(np.log(4), 0.5, len(rows)), 1, 16).astype(np.float32)
    columns = [[f"recording-{row:09d}" for row in rows], [f"speaker {row // PER_SPEAKER:07d}" for row in rows],
               ["test" if row // PER_SPEAKER % 10 == 0 else "train" for row in rows],
               ["please turn on the light in my room"] * len(rows), seconds, [1] * len(rows), [b"\0\0"] * len(rows)]
    return pa.RecordBatch.from_arrays([pa.array(values, kind.type) for values, kind
                                       in zip(columns, FEATURES, strict=True)], schema=FEATURES)


def trained(directory: Path) -> dict[str, Step]:
    """Open features, and plan an epoch of batches over their train split."""
    write_index(directory.with_name("few"), PER_FILE)
    store = FeatureStore.open(directory.with_name("few"))  # what libraries need once does not count

    def opened() -> dict[str, Any]:
        nonlocal store
        store = FeatureStore.open(directory)
        return {"recordings": len(store)}

    def epoch() -> dict[str, Any]:
        frames = np.round(store.durations_s * FRAMES_PER_S).astype(np.int32)
        plan = BatchPlan(frames=frames, indices=store.indices("train"), frames_per_batch=25 * FRAMES_PER_S, seed=1)
        batches = plan.epoch(0)
        return {"batches": len(batches), "recordings": len(plan.indices), "first": batches[0].tolist()}

    return {"features opened": measured(opened), "an epoch planned": measured(epoch)}


def sharded(size: int) -> dict[str, Any]:
    """The shards in which so many recordings are worked on, and what the longest of them has."""
    from dags.mapping import shards_of  # imports Airflow, whose memory would count
    from dags.runs import Run

    out_bytes, files = size * BYTES_PER_RECORDING, ceil(size / PER_FILE)
    with tempfile.TemporaryDirectory(prefix="evenvoice-index-") as folder:
        run = Run(Path(folder), "index")
        run.workspace.mkdir(parents=True)
        shutil.copy(ROOT / "params.yaml", run.workspace)
        write_json(run.workspace / "dvc.lock", {"schema": "2.0", "stages": {"featurize": {"outs": [
            {"path": "artifacts/features", "size": out_bytes, "nfiles": files}]}}})
        names = shards_of(run, "featurize")
    shares = [len(Shard.parse(name).of(range(files))) for name in names]
    return {"shards": len(names), "files": files, "files_of_one": max(shares, default=files),
            "gb_of_one": round(max(shares, default=files) * PER_FILE * BYTES_PER_RECORDING / 1e9, 1)}


def measure(size: int) -> dict[str, Any]:
    """All of it for so many recordings; the two processes side by side."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="evenvoice-index-") as folder:
        directory = Path(folder) / "features"
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, fresh) as first, ProcessPoolExecutor(1, fresh, max_tasks_per_child=1) as second:
            shards = sharded(size)
            planning = first.submit(planned, size, shards["shards"])
            second.submit(write_index, directory, size).result()
            written_s = round(time.monotonic() - began, 1)
            print(f"{size:,} recordings: {written_s} s to make up files of features", file=sys.stderr, flush=True)
            training = second.submit(trained, directory)
            steps = {**planning.result(), **training.result()}
    wall_s = round(time.monotonic() - began, 1)
    return {"recordings": size, "wall_s": wall_s, "made_up_s": written_s, "sharded": shards,
            "steps": {name: {**asdict(step), "cpu_us_per_recording": round(step.cpu_s / size * 1e6, 2),
                             "bytes_per_recording": round(step.memory_mb * 1e6 / size, 1)}
                      for name, step in steps.items()}}


def main() -> None:
    """Measure each size, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("millions", type=float, nargs="+")
    options = parser.parse_args()
    machine = {**hardware(), "load_at_start": os.getloadavg()[0]}
    sizes = []
    for millions in options.millions:
        sizes.append(measure(round(millions * 1e6)))
        print(json.dumps(sizes[-1], indent=2), flush=True)
    print(write_result("index-scale", {"hardware": machine, "sizes": sizes}))


if __name__ == "__main__":
    main()
