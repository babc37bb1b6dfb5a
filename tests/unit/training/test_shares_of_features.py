"""Two processes under torchrun train one model, each on its own share of the features, which is all that it has."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import safetensors.torch
import torch

from evenvoice.data.feature_store import STATISTICS
from evenvoice.data.shares import files_of_process
from evenvoice.errors import TrainingError
from evenvoice.origins import CONTENTS
from evenvoice.progress import Progress
from evenvoice.training.loop import fit
from tests.builders.models import (
    FRAMES_PER_CHARACTER,
    TEXTS,
    spoken_store,
    tiny_recogniser,
    tiny_settings,
    write_features,
)

pytestmark = pytest.mark.science
FILES = [f"features-{number:05d}-00000.arrow" for number in range(9)]
OF_EACH_FILE = 2
STEPS, CUT_AT = 14, 9
PROGRAM = f'''
import sys
from pathlib import Path
import safetensors.torch
import torch
from evenvoice.data.feature_store import FeatureStore, feature_files
from evenvoice.data.shares import files_of_process
from evenvoice.progress import Progress
from evenvoice.training import loop
from evenvoice.training.distributed import process_group
from tests.builders.models import MASKS, tiny_recogniser, tiny_settings

class Cut(Exception):
    pass

out, drawn, cut_at = Path(sys.argv[1]), {{}}, None
make, step = loop._Run._batch, loop._Run.step

def spied(run, indices, number):
    drawn[number] = store.ids[indices].tolist()
    return make(run, indices, number)

def cut(run, dump):
    if run.curve.steps == cut_at:
        raise Cut
    step(run, dump)

loop._Run._batch, loop._Run.step = spied, cut

def trained(checkpoints):
    recogniser = tiny_recogniser(dropout=0.2)
    curve = loop.fit(recogniser=recogniser, store=store, indices=store.indices("train"), seed=7,
                     progress=Progress("test"), settings=tiny_settings(steps={STEPS}, batch_s=1.25, augment=MASKS),
                     checkpoint_dir=checkpoints, share_of="all of them")
    return torch.cat([tensor.flatten() for tensor in recogniser.transducer.state_dict().values()]), curve

with process_group() as world:
    features = out / f"machine-{{world.rank}}"
    store = FeatureStore.open(features, files_of_process(feature_files(features), world.rank, world.size))
    straight, curve = trained(None)
    said = [drawn[number] for number in range({STEPS})]
    cut_at = {CUT_AT}
    try:
        trained(out / f"checkpoints-{{world.rank}}")
    except Cut:
        cut_at = None
    drawn.clear()
    resumed, again = trained(out / f"checkpoints-{{world.rank}}")
    safetensors.torch.save_file(
        {{"straight": straight, "resumed": resumed, "audio_s": torch.tensor([curve.audio_s, again.audio_s])}},
        out / f"{{world.rank}}.safetensors")
    (out / f"{{world.rank}}.drawn").write_text("\\n".join(map(" ".join, said)))
    (out / f"{{world.rank}}.resumed").write_text("\\n".join(" ".join(drawn[n]) for n in range({CUT_AT}, {STEPS})))
'''


def texts() -> list[str]:
    return [TEXTS[number % len(TEXTS)] for number in range(OF_EACH_FILE * len(FILES))]


def write_machine(directory: Path, rank: int) -> None:
    """Features of which only the share of one process is here."""
    write_features(directory, texts(), files=len(FILES))
    for path in directory.iterdir():
        if path.name not in {CONTENTS, STATISTICS, *files_of_process(FILES, rank, 2)}:
            path.unlink()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shares")
    for rank in range(2):
        write_machine(out / f"machine-{rank}", rank)
    (out / "program.py").write_text(PROGRAM)
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
                           str(out / "program.py"), str(out)], check=False, cwd=root, timeout=300, text=True,
                          capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)})
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def drawn(out: Path, rank: int) -> list[list[str]]:
    return [line.split() for line in (out / f"{rank}.drawn").read_text().splitlines()]


def own(rank: int) -> set[str]:
    return {f"r{OF_EACH_FILE * number + place}" for number in range(rank, len(FILES), 2)
            for place in range(OF_EACH_FILE)}


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_goes_through_its_own_share_in_epochs_of_its_own(out: Path, rank: int) -> None:
    said = [name for batch in drawn(out, rank) for name in batch]
    assert set(said) == own(rank)
    times = Counter(said).values()
    assert min(times) >= 1
    assert max(times) - min(times) <= 1


def test_all_end_with_the_same_weights_and_after_a_cut_with_those_of_an_uninterrupted_training(out: Path) -> None:
    first, second = (safetensors.torch.load_file(out / f"{rank}.safetensors") for rank in range(2))
    assert torch.equal(first["straight"], second["straight"])
    assert torch.equal(first["resumed"], first["straight"])
    assert torch.equal(second["resumed"], second["straight"])


@pytest.mark.parametrize("rank", [0, 1])
def test_a_resumed_training_goes_on_with_the_batches_of_each_process(out: Path, rank: int) -> None:
    resumed = [line.split() for line in (out / f"{rank}.resumed").read_text().splitlines()]
    assert resumed == drawn(out, rank)[CUT_AT:]


def test_seconds_of_speech_are_those_of_both_processes(out: Path) -> None:
    frames = [FRAMES_PER_CHARACTER * len(texts()[int(name[1:])])
              for rank in range(2) for batch in drawn(out, rank) for name in batch]
    found = safetensors.torch.load_file(out / "0.safetensors")["audio_s"].tolist()
    assert found == pytest.approx([sum(frames) / 100] * 2)


def test_a_share_without_training_recordings_is_refused_by_name() -> None:
    store = spoken_store(splits=["test"] * len(TEXTS))
    with pytest.raises(TrainingError, match="the share of process 0 of 1 must hold recordings of the train split"):
        fit(recogniser=tiny_recogniser(), store=store, indices=store.indices("train"), settings=tiny_settings(), seed=1,
            progress=Progress("test"), checkpoint_dir=None, share_of="all of them")
