"""How time, memory, files and tasks of ingest and featurize grow with the hours of speech.

    python -m benchmarks.scale 1 10 100            synthetic speech of so many hours each
    python -m benchmarks.scale --recordings F 100  the recordings of a folder again and again, listed in a manifest

Each size is one run of both stages in a workspace of its own. CPU seconds are those of all processes of a stage, and
say more than wall seconds on a machine that does other work. Memory is the largest sum, over the stage's processes, of
what is theirs alone (Pss_Anon): mapped files do not count. The result goes to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

import soundfile
import yaml

from benchmarks.hardware import hardware, write_result

ROOT = Path(__file__).resolve().parents[1]
SECONDS_PER_SPEAKER = 21.0
"""Of the synthetic world with ten recordings of training speakers and eight of others."""
LOOK_EVERY_S = 0.2
MEGA = 1e6


@dataclass(frozen=True)
class Stage:
    """What one stage took."""

    wall_s: float
    cpu_s: float
    memory_mb: float
    files: int
    written_mb: float


@dataclass(frozen=True)
class Size:
    """One corpus through both stages."""

    hours: float
    recordings: int
    ingest: Stage
    featurize: Stage
    featurize_tasks: int
    """Mapped tasks that Airflow would make, and the stage itself."""


class Watch:
    """CPU seconds and memory of a process and all its descendants, looked up again and again while they run."""

    def __init__(self) -> None:
        self.memory_kb = 0
        self._cpu_s: dict[int, float] = {}

    def look(self, root: int) -> None:
        total = 0
        for pid in _descendants(root):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue  # it ended meanwhile
            self._cpu_s[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss_Anon:"))
        self.memory_kb = max(self.memory_kb, total)

    @property
    def cpu_s(self) -> float:
        return sum(self._cpu_s.values())


def _descendants(root: int) -> list[int]:
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                waiting += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def run(stage: str, workspace: Path, out: Path) -> Stage:
    """Run one stage to its end and watch it."""
    watch, began = Watch(), time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (workspace / f"{stage}.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", f"stages.{stage}"], cwd=workspace,  # noqa: S603
                                   env=environment, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            watch.look(process.pid)
            time.sleep(LOOK_EVERY_S)
    if process.returncode:
        sys.exit((workspace / f"{stage}.log").read_text()[-2000:])
    written = [path.stat().st_size for path in out.rglob("*") if path.is_file()]
    return Stage(wall_s=round(time.monotonic() - began, 1), cpu_s=round(watch.cpu_s, 1),
                 memory_mb=round(watch.memory_kb * 1024 / MEGA), files=len(written),
                 written_mb=round(sum(written) / MEGA, 1))


def measure(hours: float, recordings: Path | None, workspace: Path) -> Size:
    """Ingest and featurize a corpus of ``hours``."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    if recordings is None:
        params["synthetic"]["speakers"] = max(12, round(hours * 3600 / SECONDS_PER_SPEAKER))
    else:
        params["ingest"]["corpus"] = str(repeated(recordings, hours, workspace / "manifest.csv"))
    (workspace / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    corpus = workspace / "artifacts" / "corpus"
    ingest = run("ingest", workspace, corpus)
    featurize = run("featurize", workspace, workspace / "artifacts" / "features")
    summary = json.loads((corpus / "summary.json").read_text(encoding="utf-8"))
    shards = math.ceil(ingest.written_mb / 1000 / params["resources"]["shard_gb"])
    return Size(hours=summary["hours"], recordings=summary["recordings"], ingest=ingest, featurize=featurize,
                featurize_tasks=1 + (shards if shards > 1 else 0))


def repeated(folder: Path, hours: float, manifest: Path) -> Path:
    """List the recordings of ``folder`` again and again, as made-up speakers of twenty each."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".wav", ".flac"))
    lengths = {file: soundfile.info(file).duration for file in files}
    wanted = math.ceil(hours * 3600 / (sum(lengths.values()) / len(files)))
    with manifest.open("w", newline="", encoding="utf-8") as sink:
        rows = csv.writer(sink)
        rows.writerow(["id", "path", "speaker", "text"])
        for number, file in enumerate(islice(cycle(files), wanted)):
            rows.writerow([f"r{number}", file, f"s{number // 20}", "again"])
    return manifest


def main() -> None:
    """Measure each size, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hours", type=float, nargs="+")
    parser.add_argument("--recordings", type=Path, help="a folder of WAV or FLAC files to list again and again")
    options = parser.parse_args()
    machine, sizes = {**hardware(), "load_at_start": os.getloadavg()[0]}, []
    for hours in options.hours:
        workspace = Path(tempfile.mkdtemp(prefix="evenvoice-scale-"))
        try:
            sizes.append(measure(hours, options.recordings, workspace))
        finally:
            shutil.rmtree(workspace)
        print(json.dumps(asdict(sizes[-1])), flush=True)
    speech, name = ("recordings, repeated", "scale-repeated") if options.recordings else ("synthetic", "scale")
    print(write_result(name, {"hardware": machine, "speech": speech, "sizes": [asdict(size) for size in sizes]}))


if __name__ == "__main__":
    main()
