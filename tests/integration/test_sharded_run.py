"""Mapped tasks through Airflow: the same results bit for bit, a lost shard redone alone, nothing done for nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.builders.checkout import full_checkout

pytestmark = pytest.mark.science
SMALL_FILES = ("ingest.shard_mb=1", "featurize.shard_mb=1", "synthetic.speakers=24")
SPLIT = "resources.shard_gb=0.002"


def walk(root: Path, *settings: str, force_stage: str = "") -> Path:
    """`make run` with several files of everything; returns the directory of the run."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MLFLOW", "EVENVOICE"))}
    before = set((root / ".evenvoice" / "runs").glob("*"))
    done = subprocess.run([sys.executable, "-m", "ops", "run", "--profile", "tiny", "--force-stage", force_stage,
                           "--set", *SMALL_FILES, *settings], cwd=root, env=env, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    [run] = set((root / ".evenvoice" / "runs").glob("*")) - before
    return run


def hashes(run: Path) -> dict[str, str]:
    """What every stage wrote, by path."""
    stages = yaml.safe_load((run / "workspace" / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return {out["path"]: out["md5"] for entry in stages.values() for out in entry["outs"]}


def shards(run: Path, stage: str) -> list[str]:
    return sorted(path.stem.removeprefix(f"{stage}-shard-") for path in (run / "logs").glob(f"{stage}-shard-*"))


def states(run: Path) -> dict[str, str]:
    events = [json.loads(line) for line in (run / "progress.jsonl").read_text(encoding="utf-8").splitlines()]
    return {event["stage"]: event["state"] for event in events if "state" in event}


@contextmanager
def killing(root: Path, *words: str) -> Iterator[list[int]]:
    """Meanwhile, kill -9 the first process of ``root`` whose command line holds all of ``words``."""
    killed: list[int] = []
    over = threading.Event()

    def search() -> None:
        while not over.is_set() and not killed:
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    command = (process / "cmdline").read_bytes().decode().split("\0")
                    if set(words) <= set(command) and (process / "cwd").resolve().is_relative_to(root):
                        os.kill(int(process.name), signal.SIGKILL)
                        killed.append(int(process.name))
                        break
                except (OSError, UnicodeDecodeError):
                    continue
            time.sleep(0.02)

    thread = threading.Thread(target=search)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return full_checkout(tmp_path_factory.mktemp("clone") / "evenvoice")


@pytest.fixture(scope="module")
def whole(root: Path) -> Path:
    return walk(root)


def test_a_small_corpus_has_no_shards(whole: Path) -> None:
    assert shards(whole, "featurize") == []
    assert set(states(whole).values()) == {"done"}


def test_shards_change_no_bit_a_killed_one_is_redone_alone_and_nothing_behind_runs(root: Path, whole: Path) -> None:
    with killing(root, "stages.featurize", "2/3") as killed:
        run = walk(root, SPLIT, force_stage="featurize")

    assert killed
    assert shards(run, "featurize") == ["1-of-3", "2-of-3", "3-of-3"]
    airflow = (run / "airflow.log").read_text(encoding="utf-8")
    assert airflow.count("featurize-shard-2-of-3 exited with 137") == 1
    assert hashes(run) == hashes(whole)
    assert states(run)["featurize"] == "done"
    assert shards(run, "transcribe@base") == [], "its inputs came out as they were"
    assert not (run / "workspace" / "pieces" / "featurize").exists()


def test_ingest_in_shards_changes_no_bit_and_a_killed_one_is_redone_alone(root: Path, whole: Path) -> None:
    for earlier in (root / ".evenvoice" / "runs").glob("*/workspace/pieces"):
        shutil.rmtree(earlier)
    with killing(root, "stages.ingest", "1/3") as killed:
        run = walk(root, SPLIT, force_stage="ingest")

    assert killed
    assert shards(run, "ingest") == ["1-of-3", "2-of-3", "3-of-3"]
    assert (run / "airflow.log").read_text(encoding="utf-8").count("ingest-shard-1-of-3 exited with 137") == 1
    assert hashes(run) == hashes(whole)
    assert "files were made before" in (run / "logs" / "ingest.log").read_text(encoding="utf-8")
    assert shards(run, "featurize") == [], "its inputs came out as they were"


def test_transcription_in_shards_changes_no_bit(root: Path, whole: Path) -> None:
    run = walk(root, SPLIT, force_stage="transcribe@base")

    assert len(shards(run, "transcribe@base")) > 1
    assert shards(run, "featurize") == shards(run, "transcribe@ewc") == []
    assert hashes(run) == hashes(whole)
