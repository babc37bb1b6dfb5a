"""Training on two machines that share nothing but a network: the deaths of a process and of a torchrun, and resuming.

The machines are network namespaces with a disk of their own each; gloo and torchrun's rendezvous run over a pair of
virtual Ethernet ports, told as worker/machines.py tells it to the machines of a Job.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import safetensors.torch
import torch
import yaml

from evenvoice.data.feature_store import feature_files
from evenvoice.data.shares import files_of_machine
from evenvoice.params import load_params
from tests.builders.machines import Machine, two_machines
from tests.builders.models import FEATURIZE, TEXTS, TOKENIZER, tiny_train, write_features
from worker.machines import Machine as Number
from worker.machines import torchrun_variables

pytestmark = pytest.mark.science
ROOT = Path(__file__).resolve().parents[2]
STEPS = 120
PATIENCE_S = 240
"""For one start on a busy machine; what has to end soon ends long before the 300 s in which gloo gives up by itself."""


def workspace(directory: Path, *, processes: int = 2, texts: Sequence[str] = TEXTS, files: int = 1) -> Path:
    """What the stage finds on one machine."""
    directory.mkdir()
    train = tiny_train().model_copy(update={"dropout": 0.2, "steps": STEPS, "processes": processes})
    params = load_params(ROOT / "params.yaml").model_copy(update={"train": train, "featurize": FEATURIZE})
    content = yaml.safe_dump(params.model_dump(by_alias=True), sort_keys=False)
    (directory / "params.yaml").write_text(content, encoding="utf-8")
    write_features(directory / "artifacts" / "features", texts, files=files)
    TOKENIZER.save(directory / "artifacts" / "tokenizer")
    return directory


def environment(**torchrun: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **torchrun}


def weights(directory: Path) -> torch.Tensor:
    tensors = safetensors.torch.load_file(directory / "artifacts" / "models" / "base" / "model.safetensors")
    return torch.cat([tensors[name].flatten() for name in sorted(tensors)])


class Training:
    """The stage train, started on both machines at once."""

    def __init__(self, machines: tuple[Machine, Machine], directories: tuple[Path, Path]) -> None:
        self.checkpoints = directories[0] / "checkpoints"
        self.logs = [directory / "log" for directory in directories]
        self.launchers: list[subprocess.Popen[bytes]] = []
        for number, (machine, directory, log) in enumerate(zip(machines, directories, self.logs, strict=True)):
            torchrun = environment(PET_NPROC_PER_NODE="1", **torchrun_variables(
                Number(number, len(machines)), first=machines[0].address, own=machine.address, port=machine.port))
            with log.open("w") as output:
                self.launchers.append(subprocess.Popen(
                    machine.inside(sys.executable, "-m", "stages.train"), cwd=directory, env=torchrun,
                    stdout=output, stderr=subprocess.STDOUT))

    def reach(self, steps: int) -> None:
        """Wait until so many more steps are in a checkpoint."""
        goal = self._latest() + steps
        deadline = time.monotonic() + PATIENCE_S
        while self._latest() < goal:
            assert time.monotonic() < deadline, self.output()
            assert all(launcher.poll() is None for launcher in self.launchers), self.output()
            time.sleep(0.01)

    def end(self) -> list[int]:
        """Exit statuses, soon."""
        return [launcher.wait(timeout=PATIENCE_S) for launcher in self.launchers]

    def trainer(self, number: int) -> int:
        """The process that trains on one machine."""
        launcher = self.launchers[number].pid
        [child] = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
        return int(child)

    def output(self) -> str:
        return "\n".join(log.read_text(encoding="utf-8")[-3000:] for log in self.logs)

    def stop(self) -> None:
        for launcher in self.launchers:
            launcher.kill()
            launcher.wait()

    def _latest(self) -> int:
        return max((int(path.parent.name.removeprefix("generation-"))
                    for path in self.checkpoints.glob("base/*/generation-*/complete.json")), default=0)


@pytest.fixture(scope="module")
def machines() -> Iterator[tuple[Machine, Machine]]:
    with two_machines() as pair:
        yield pair


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same training by two processes of one machine, which the stage starts itself."""
    directory = workspace(tmp_path_factory.mktemp("one-machine") / "workspace")
    done = subprocess.run([sys.executable, "-m", "stages.train"], cwd=directory, env=environment(), text=True,
                          capture_output=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr[-3000:]
    return directory


def gone(pid: int) -> bool:
    for _ in range(500):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_two_machines_survive_two_deaths_and_end_with_the_weights_of_one_machine(
        machines: tuple[Machine, Machine], unharmed: Path, tmp_path: Path) -> None:
    directories = workspace(tmp_path / "first"), workspace(tmp_path / "second")

    training = Training(machines, directories)
    try:
        training.reach(5)
        os.kill(training.trainer(1), signal.SIGKILL)
        assert training.end() == [75, 75], training.output()
        first, second = (log.read_text(encoding="utf-8") for log in training.logs)
        assert "TransientError: process 0 of 2 must stay connected with the others" in first
        assert "TransientError: process 1 of the training must end by itself, got SIGKILL instead" in second
        assert not (directories[0] / "artifacts" / "models").exists()
    finally:
        training.stop()

    training = Training(machines, directories)
    try:
        training.reach(5)
        orphan = training.trainer(1)
        training.launchers[1].kill()
        assert gone(orphan), "a training without its torchrun went on"
        assert training.end() == [75, -signal.SIGKILL], training.output()
    finally:
        training.stop()

    training = Training(machines, directories)
    try:
        assert training.end() == [0, 0], training.output()
        assert "step 1/" not in training.logs[0].read_text(encoding="utf-8"), "started from the beginning"
    finally:
        training.stop()
    assert torch.equal(weights(directories[0]), weights(unharmed))
    assert not (directories[1] / "artifacts" / "models").exists(), "only the first process writes"
    assert not (directories[0] / "checkpoints" / "base").exists()


def test_each_machine_needs_its_share_of_the_features_alone_and_the_weights_are_those_of_one_machine(
        machines: tuple[Machine, Machine], tmp_path: Path) -> None:
    one, *directories = (workspace(tmp_path / name, texts=TEXTS * 3, files=9) for name in ("one", "first", "second"))
    for number, directory in enumerate(directories, start=1):
        features = directory / "artifacts" / "features"
        for foreign in set(feature_files(features)) - {*files_of_machine(feature_files(features), number, 2, 2)}:
            (features / foreign).unlink()

    training = Training(machines, (directories[0], directories[1]))
    try:
        assert training.end() == [0, 0], training.output()
    finally:
        training.stop()
    done = subprocess.run([sys.executable, "-m", "stages.train"], cwd=one, env=environment(), text=True,
                          capture_output=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr[-3000:]
    assert torch.equal(weights(directories[0]), weights(one))


def test_a_machine_with_other_data_is_refused(machines: tuple[Machine, Machine], tmp_path: Path) -> None:
    directories = workspace(tmp_path / "first"), workspace(tmp_path / "second")
    shutil.rmtree(directories[1] / "artifacts" / "features")
    write_features(directories[1] / "artifacts" / "features", [*TEXTS[:-1], "no no"])

    training = Training(machines, directories)
    try:
        assert training.end() == [75, 3], training.output()
        assert "TrainingError: the training of process 1 must be that of the first one" in (
            training.logs[1].read_text(encoding="utf-8"))
    finally:
        training.stop()


def test_another_number_of_processes_than_the_parameters_say_is_refused(tmp_path: Path) -> None:
    directory = workspace(tmp_path / "workspace", processes=3)

    done = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
                           "-m", "stages.train"], cwd=directory, env=environment(), capture_output=True, text=True,
                          check=False, timeout=PATIENCE_S)

    assert done.returncode != 0
    assert "ParamsError: train.processes must be 2, as many as torchrun started, got 3 instead" in done.stderr
