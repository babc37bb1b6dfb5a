"""Pods as processes in directories of their own, which share nothing but an object store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from evenvoice.code_digest import tree_digest
from tests.builders.object_server import ObjectServer
from worker.exchange import Exchange, Settings

ROOT = Path(__file__).parents[2]
STAGES = {
    "double": {"cmd": "python -m stages.double", "deps": ["corpus.json", "watched.json", "stages/double.py"],
               "params": ["seed"], "outs": ["out/doubled"]},
    "add": {"cmd": "python -m stages.add", "deps": ["out/doubled", "stages/add.py"], "outs": ["out/sum.txt"]},
    "speak": {"cmd": "python -m stages.speak", "deps": ["stages/speak.py"], "outs": ["out/speech"]},
    "measure": {"cmd": "python -m stages.measure", "deps": ["out/speech", "stages/measure.py"],
                "outs": ["out/measured.txt"], "meta": {"shards_of": "out/speech"}},
    "learn": {"cmd": "python -m stages.learn", "deps": ["out/speech", "stages/learn.py"], "outs": ["out/learned.txt"],
              "meta": {"shared_by_processes": "out/speech"}},
    "wait": {"cmd": "python -m stages.wait", "deps": ["stages/wait.py"], "outs": ["out/waited.txt"]},
}
UPSTREAM: Mapping[str, tuple[str, ...]] = {"double": (), "add": ("double",)}
SPEECH: Mapping[str, tuple[str, ...]] = {"speak": (), "measure": ("speak",), "learn": ("speak",)}
"""Eight files that may be worked on in shards, and a small one beside them."""
FILES, FILE_BYTES = 8, 200_000
CODE = {
    "double": "import json\nfrom pathlib import Path\nout = Path('out/doubled')\nout.mkdir(parents=True)\n"
              "numbers = json.loads(Path('corpus.json').read_text())['numbers']\n"
              "(out / 'numbers.json').write_text(json.dumps([2 * number for number in numbers]))\nprint('doubling')\n",
    "add": "import json, sys\nfrom pathlib import Path\n"
           "numbers = json.loads(Path('out/doubled/numbers.json').read_text())\n"
           "if '--shard' in sys.argv:\n"
           "    piece = Path('pieces/add') / sys.argv[2].replace('/', '-')\n    piece.mkdir(parents=True)\n"
           "    (piece / 'sum').write_text(str(sum(numbers)))\n    sys.exit()\n"
           "print('pieces', sorted(str(path) for path in Path('pieces').rglob('sum')))\n"
           "Path('out/sum.txt').write_text(str(sum(numbers)))\nprint('adding')\n",
    "speak": "from pathlib import Path\nout = Path('out/speech/utterances')\nout.mkdir(parents=True)\n"
             f"for number in range({FILES}):\n"
             f"    (out / f'utterances-{{number:016x}}.parquet').write_bytes(bytes([number]) * {FILE_BYTES})\n"
             "Path('out/speech/speakers.parquet').write_bytes(bytes(5000))\nprint('speaking')\n",
    "measure": "import sys\nfrom pathlib import Path\nfrom evenvoice.data.pieces import Shard\n"
               "if '--shard' in sys.argv:\n"
               "    for unit in Shard.parse(sys.argv[2]).units(Path('out/speech')):\n"
               "        piece = Path('pieces/measure') / unit.stem\n        piece.mkdir(parents=True)\n"
               "        (piece / 'length').write_text(str(unit.stat().st_size))\n"
               "        assert Path('out/speech/speakers.parquet').exists()\n"
               "    sys.exit()\n"
               "Path('out/measured.txt').write_text(str(sorted(file.stem for file in Path('pieces').rglob('u*'))))\n"
               "print('measuring')\n",
    "learn": "from pathlib import Path\n"
             "print('here', *sorted(file.stem[-1] for file in Path('out/speech').rglob('u*.parquet')))\n",
    "wait": "import os, time\nfrom pathlib import Path\nmark = Path(os.environ['WAITS'])\n"
            "if not mark.exists():\n    mark.write_text(str(os.getpid()))\n    time.sleep(600)\n"
            "Path('out').mkdir()\nPath('out/waited.txt').write_text('waited')\n",
}


@dataclass(frozen=True)
class Site:
    """An image's code, and a store; pods are processes in directories of their own."""

    directory: Path
    server: ObjectServer
    bucket: str

    @property
    def image(self) -> Path:
        return self.directory / "image"

    def begin(self, run: str, lock: str = "", *, numbers: str = "1, 2, 3",
              upstream: Mapping[str, tuple[str, ...]] = UPSTREAM) -> Exchange:
        exchange = self.exchange(run)
        exchange.open(Settings(params="seed: 1\ntrain: {processes: 2}\n", graph=yaml.safe_dump({"stages": STAGES}),
                               corpus=f'{{"numbers": [{numbers}]}}', watched="{}", lock=lock,
                               code=tree_digest(self.image), upstream=upstream))
        return exchange

    def exchange(self, run: str) -> Exchange:
        return Exchange.at(f"s3://{self.bucket}/root/runs/{run}")

    def stage(self, run: str, name: str, *options: str) -> tuple[int, str]:
        """Run a stage to its end; its exit status and what it said."""
        process = self.start(run, name, *options)
        output, _ = process.communicate()
        return process.returncode, output

    def measured(self, name: str) -> dict[str, float]:
        """What went through the store for a stage, as it last reported."""
        lines = (self.directory / "progress").read_text(encoding="utf-8").splitlines()
        events = [event for event in map(json.loads, lines) if event["stage"] == name and "measured" in event]
        return dict(events[-1]["measured"])

    def start(self, run: str, name: str, *options: str) -> subprocess.Popen[str]:
        """Begin a stage in an empty directory."""
        pod = self.directory / f"pod-{run}-{name}-{time.monotonic_ns()}"
        pod.mkdir()
        env = {**os.environ, "PYTHONPATH": str(self.image),
               "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
               "DVC_SITE_CACHE_DIR": str(pod / ".dvc" / "site"), "DVC_NO_ANALYTICS": "1", "PYTHONUNBUFFERED": "1",
               "EVENVOICE_PROGRESS": str(self.directory / "progress"), "WAITS": str(self.directory / "waits")}
        return subprocess.Popen([sys.executable, "-m", "worker", name, "--minutes", "3", *options, "--exchange",
                                 f"s3://{self.bucket}/root/runs/{run}"], cwd=pod, env=env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
