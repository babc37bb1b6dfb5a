"""Training by several processes: over NCCL with one GPU each, or over gloo where there is none.

    torchrun --nproc-per-node 2 -m benchmarks.gpu.together SCALE RESULT

Each process ends with a digest of its weights, which must all be the same. NCCL starts for a single GPU as well: what
can be told there is that it comes up and sums.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from benchmarks.drawn_speech import drawn_store, drawn_tokenizer
from benchmarks.gpu.device import here
from benchmarks.gpu.scale import SCALES, Scale
from benchmarks.gpu.training import RECIPE
from benchmarks.train_throughput import UNITS_PER_S, Quiet, built
from evenvoice.models.presets import PRESETS
from evenvoice.storage import read_json, write_json
from evenvoice.training.distributed import current_world, process_group
from evenvoice.training.loop import fit
from evenvoice.training.settings import FitSettings

LIMIT_S = 60


def together(item: str, scale: Scale) -> dict[str, Any]:
    """What torchrun's first process found; ``item`` is the number of processes."""
    with tempfile.TemporaryDirectory() as directory:
        result = Path(directory) / "result.json"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "localhost",
                   "--nproc-per-node", item, "-m", "benchmarks.gpu.together", scale.name, str(result)]
        environment = {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"} | os.environ
        subprocess.run(command, env=environment, check=True, timeout=LIMIT_S)  # noqa: S603
        found: dict[str, Any] = read_json(result)
        return found


def processes() -> str:
    """As many as there are GPUs; two without any."""
    return str(torch.cuda.device_count() or 2)


def main() -> None:
    """Train as one of the processes; the first one writes what was found."""
    scale, result = SCALES[sys.argv[1]], Path(sys.argv[2])
    with process_group():
        alone = not distributed.is_initialized()
        if alone:
            distributed.init_process_group("nccl" if here().type == "cuda" else "gloo")
        found = _trained(scale)
        if distributed.get_rank() == 0:
            write_json(result, found)
        if alone:
            distributed.destroy_process_group()


def _trained(scale: Scale) -> dict[str, Any]:
    encoder, size = scale.learner.split()
    train = RECIPE.model_copy(update={"encoder": encoder, "size": size, "batch_s": scale.learning_batch_s,
                                      "steps": 4 * scale.steps})
    store = drawn_store(drawn_tokenizer(PRESETS[size].vocabulary), seconds=40 * scale.learning_batch_s,
                        units_per_s=UNITS_PER_S[size])
    recogniser, progress = built(train, store), Quiet()
    curve = fit(recogniser=recogniser, store=store, indices=store.indices("train"),
                settings=FitSettings.for_base(train), seed=1, progress=progress, checkpoint_dir=None)
    world, figures = current_world(), progress.figures  # which only the first process has
    digest = zlib.crc32(b"".join(tensor.numpy().tobytes() for tensor in recogniser.transducer.state_dict().values()))
    digests = [torch.zeros(1, dtype=torch.int64, device=world.device) for _ in range(world.size)]
    distributed.all_gather(digests, torch.tensor([digest], device=world.device))
    return {"backend": distributed.get_backend(), "processes": world.size,
            "same_weights": len({int(one) for one in digests}) == 1, "steps": curve.steps,
            "audio_s_per_s": figures.get("audio_s_per_s"), "final_loss": curve.points[-1].loss}


if __name__ == "__main__":
    main()
