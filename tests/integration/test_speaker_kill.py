"""kill -9 in the middle of the training of a speaker encoder, and the same stage once more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from evenvoice.storage import sha256
from stages import paths
from tests.builders.speakers import write_voices

pytestmark = pytest.mark.science
ROOT = Path(__file__).resolve().parents[2]
FILES = ("model.safetensors", "curve.parquet", "weighing.parquet")


def workspace(place: Path) -> Path:
    """Voices, and a training with an adversary that takes some seconds and keeps a checkpoint after every step."""
    write_voices(place / paths.FEATURES, speakers={"train": 40}, recordings=5, n_mels=64)
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values["train_speaker"] |= {"width": 16, "embedding": 16, "steps": 60, "speakers_per_batch": 16, "crop_s": 0.3,
                                "speed": 0.05, "noise_share": 0.5, "checkpoint_every_s": 1e-6}
    (place / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return place


def started(place: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "EVENVOICE_HOME": str(place / "home")}
    return subprocess.Popen([sys.executable, "-m", "stages.train_speaker", "pw"], cwd=place, env=env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def digests(place: Path) -> dict[str, str]:
    return {name: sha256(place / paths.SPEAKER_MODELS / "pw" / name) for name in FILES}


def test_a_training_that_was_killed_twice_ends_in_the_same_weights_as_one_that_was_not(tmp_path: Path) -> None:
    whole, killed = workspace(tmp_path / "whole"), workspace(tmp_path / "killed")
    undisturbed = started(whole)
    undisturbed.communicate(timeout=240)
    assert undisturbed.returncode == 0
    for generations in (5, 25):
        process = started(killed)
        deadline = time.monotonic() + 120
        while newest(killed) < generations and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (killed / paths.SPEAKER_MODELS / "pw").exists()
    process = started(killed)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    assert "going on from step" in output
    assert digests(killed) == digests(whole)
    assert not (killed / "checkpoints" / "speaker-pw").exists()


def newest(place: Path) -> int:
    """Step of the newest whole checkpoint."""
    found = (place / "checkpoints" / "speaker-pw").glob("*/generation-*/complete.json")
    return max((int(path.parent.name.removeprefix("generation-")) for path in found), default=0)
