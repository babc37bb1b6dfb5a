"""Two processes under torchrun train one model, with the gradient that one process has on both their batches."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from evenvoice.training.distributed import current_world
from evenvoice.training.feed import Feed
from evenvoice.training.objective import Objective
from tests.builders.models import spoken_store, tiny_recogniser

PROGRAM = '''
import sys
import time
from pathlib import Path
import safetensors.torch
import torch
from evenvoice.progress import Progress
from evenvoice.training import loop
from evenvoice.training.distributed import process_group
from tests.builders.models import spoken_store, tiny_recogniser, tiny_settings

out = Path(sys.argv[1])
drawn, gradients = [], []
clip = torch.nn.utils.clip_grad_norm_

def spied(parameters, *arguments, **keywords):
    parameters = list(parameters)
    gradients.append(torch.cat([parameter.grad.flatten().clone() for parameter in parameters]))
    return clip(parameters, *arguments, **keywords)

class Spy(loop.Feed):
    def batch(self, indices, rng):
        drawn.append(torch.from_numpy(indices.copy()))
        return super().batch(indices, rng)

torch.nn.utils.clip_grad_norm_, loop.Feed = spied, Spy
with process_group() as world:
    recogniser, store = tiny_recogniser(seed=1 + world.rank), spoken_store()
    loop.fit(recogniser=recogniser, store=store, indices=store.indices("train"), seed=7, progress=Progress("test"),
             settings=tiny_settings(steps=5, batch_s=2.5), checkpoint_dir=None)
    model = torch.cat([tensor.flatten() for tensor in recogniser.transducer.state_dict().values()])
    time.sleep(world.rank)
    safetensors.torch.save_file({"model": model, "gradient": gradients[0], "drawn": drawn[0]},
                                out / f"{world.rank}.safetensors")
(out / f"left.{world.rank}").write_text(" ".join(sorted(file.name for file in out.glob("*.safetensors"))))
'''


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    out = tmp_path_factory.mktemp("ranks")
    program = out / "program.py"
    program.write_text(PROGRAM)
    root = Path(__file__).parents[3]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
                    str(program), str(out)], check=True, env=environment, cwd=root, timeout=180, capture_output=True)
    written = [(out / f"left.{rank}").read_text() for rank in range(2)]
    return [safetensors.torch.load_file(out / f"{rank}.safetensors") | {"left": written[rank]} for rank in range(2)]


@pytest.mark.science
def test_none_leaves_while_another_still_writes(ranks):
    assert [rank["left"] for rank in ranks] == 2 * ["0.safetensors 1.safetensors"]


@pytest.mark.science
def test_both_end_with_equal_weights(ranks):
    assert torch.equal(ranks[0]["model"], ranks[1]["model"])


@pytest.mark.science
def test_they_train_on_different_recordings(ranks):
    assert not set(ranks[0]["drawn"].tolist()) & set(ranks[1]["drawn"].tolist())


@pytest.mark.science
def test_their_gradient_is_that_of_one_process_on_the_joint_batch(ranks):
    recogniser = tiny_recogniser(seed=1)
    joint = np.concatenate([rank["drawn"].numpy() for rank in ranks])
    batch = Feed(recogniser, spoken_store(), None, torch.device("cpu")).batch(joint, np.random.default_rng(0))
    (Objective(recogniser.transducer.train(), 0.5)(batch).sum() / batch.labels).backward()
    expected = torch.cat([parameter.grad.flatten() for parameter in recogniser.transducer.parameters()])
    torch.testing.assert_close(ranks[0]["gradient"], expected, atol=1e-5, rtol=1e-4)
    assert torch.equal(ranks[0]["gradient"], ranks[1]["gradient"])


def test_alone_nothing_is_wrapped_or_summed():
    world, module, three = current_world(), nn.Linear(1, 1), torch.tensor(3.0)
    assert world.is_main
    assert world.wrap(module, every_parameter_used=True) is module
    assert world.sum(three) is three
