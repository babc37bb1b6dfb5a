"""kill -9 at a random step of a real process: the rerun equals a training that nobody killed."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

STEPS = 40
PROGRAM = """
import sys
from pathlib import Path
from evenvoice.progress import Progress
from evenvoice.training.loop import fit
from tests.builders.models import MASKS, spoken_store, tiny_recogniser, tiny_settings

class Told(Progress):
    def advance(self, steps=1, **figures):
        self.done += steps
        print(self.done, flush=True)

out, steps = Path(sys.argv[1]), int(sys.argv[2])
recogniser, store = tiny_recogniser(dropout=0.2), spoken_store()
fit(recogniser=recogniser, store=store, indices=store.indices("train"), seed=7, progress=Told("test"),
    settings=tiny_settings(steps=steps, augment=MASKS), checkpoint_dir=out / "checkpoints")
recogniser.save(out / "model")
"""


def started(out: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(out), str(STEPS)], stdout=subprocess.PIPE, text=True,
                            env=environment, cwd=Path(__file__).parents[3])


def finished(process: subprocess.Popen[str]) -> list[int]:
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return [int(line) for line in printed.splitlines() if line.isdecimal()]


@pytest.mark.science
def test_a_killed_training_ends_with_the_weights_of_one_that_was_not(tmp_path):
    unharmed = started(tmp_path / "straight")
    victim_step = random.SystemRandom().randrange(2, STEPS)
    victim = started(tmp_path / "killed")
    for line in victim.stdout:
        if int(line) == victim_step:
            break
    victim.send_signal(signal.SIGKILL)
    assert victim.wait(timeout=60) == -signal.SIGKILL
    victim.stdout.close()
    assert not (tmp_path / "killed" / "model").exists()

    finished(unharmed)
    steps = finished(started(tmp_path / "killed"))
    found, expected = (safetensors.torch.load_file(tmp_path / name / "model" / "model.safetensors")
                       for name in ("killed", "straight"))
    assert steps[0] >= victim_step, f"killed at step {victim_step}, but started over"
    assert all(torch.equal(found[name], expected[name]) for name in expected), f"killed at step {victim_step}"
