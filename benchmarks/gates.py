"""What gates save in time: a transformer beside itself with sub-blocks that are off, one core.

    python -m benchmarks.gates
    python -m benchmarks.gates --size 10M --executed 0.4

Weights are random, and so is what is on: the question is whether work that is not done takes no time. Gates are set so
that the share ``--executed`` of the dense encoder's multiply-accumulates is done. Dense and gated encoder take turns:
a stream of one speaker in chunks of one encoder frame, and a batch of whole utterances. Ratios are of mean times, since
a chunk of a gated encoder takes longer the more of it is on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.hardware import hardware, write_result
from benchmarks.streaming_latency import MELS, STACK, untrained
from evenvoice.models.gates import Arbitrator, gating
from evenvoice.models.recogniser import Recogniser
from evenvoice.models.shapes import Arbitrators, Chance, Gates, TransformerShape

BATCH: Final = 16
UTTERANCE_FRAMES: Final = 100
"""Encoder frames: four seconds."""
WARM_UP: Final = 100
"""Chunks until attention's window is full."""


def main(argv: Sequence[str] | None = None) -> Path:
    """Measure every way to decide; returns where the result was written."""
    arguments = _parser().parse_args(argv)
    torch.set_num_threads(1)
    dense = untrained("transformer", arguments.size)
    print(f"{'who decides':16} {'executed':>9} {'stream, ms':>16} {'times':>6} {'batch, ms':>16} {'times':>6}")
    rows = [_measured(name, dense, gated(dense, gates, arguments.executed), arguments)
            for name, gates in ways(dense).items()]
    return write_result(f"gates{'' if arguments.size == '1.5M' else '-' + arguments.size}", {
        "hardware": hardware(), "torch": torch.__version__, "size": arguments.size, "chunks": arguments.chunks,
        "batches": arguments.batches, "rows": rows}, arguments.out)


def ways(dense: Recogniser) -> dict[str, Gates]:
    """Who may decide."""
    shape = dense.description.architecture.encoder
    assert isinstance(shape, TransformerShape)
    return {"chance": Chance(rates=(0.5,) * (2 * shape.blocks)), "arbitrators": Arbitrators(),
            "one arbitrator": Arbitrators(see="stem")}


@torch.inference_mode()
def gated(dense: Recogniser, gates: Gates, executed: float) -> Recogniser:
    """The same weights under gates that leave about the share ``executed`` of the work, set by bisection."""
    if isinstance(gates, Chance):
        made = [dense.with_gates(Chance(rates=(rate,) * len(gates.rates)), seed=1) for rate in np.arange(0.05, 1, 0.05)]
        return min(made, key=lambda one: abs(share(one) - executed))
    recogniser = dense.with_gates(gates, seed=1)
    arbitrators = [module for module in recogniser.transducer.modules() if isinstance(module, Arbitrator)]
    generator = torch.Generator().manual_seed(1)
    for arbitrator in arbitrators:
        arbitrator.logit.weight.copy_(torch.randn(arbitrator.logit.weight.shape, generator=generator))
    low, high = -8.0, 8.0
    for _ in range(20):
        middle = (low + high) / 2
        for arbitrator in arbitrators:
            arbitrator.logit.bias.fill_(middle)
        low, high = (low, middle) if share(recogniser) > executed else (middle, high)
    return recogniser


@torch.inference_mode()
def share(recogniser: Recogniser) -> float:
    """Of the dense encoder's work that is done on a batch, deciding included."""
    features_BTM, lengths_B = _utterances()
    with gating() as work:
        recogniser.transducer.eval().encode(features_BTM, lengths_B)
    return work[0].share(recogniser.transducer.encoded_lengths(lengths_B)).item()


def _utterances() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    features_BTM = torch.randn(BATCH, UTTERANCE_FRAMES * STACK, MELS, generator=generator) * 3 - 8
    return features_BTM, torch.full((BATCH,), features_BTM.shape[1])


def _measured(name: str, dense: Recogniser, other: Recogniser, arguments: argparse.Namespace) -> dict[str, Any]:
    stream = in_turns([_chunks(dense), _chunks(other)], WARM_UP, arguments.chunks)
    batch = in_turns([_batches(dense), _batches(other)], 2, arguments.batches)
    row = {"gates": name, "executed_share": share(other), "stream_ms": stream, "batch_ms": batch,
           "stream_times": stream[0] / stream[1], "batch_times": batch[0] / batch[1]}
    print(f"{name:16} {100 * share(other):7.0f} % {stream[0]:7.2f} {stream[1]:8.2f} {row['stream_times']:6.2f} "
          f"{batch[0]:7.1f} {batch[1]:8.1f} {row['batch_times']:6.2f}", flush=True)
    return row


def _chunks(recogniser: Recogniser) -> Callable[[], None]:
    transducer = recogniser.transducer.eval()
    state = transducer.encoder.initial_state(1)
    generator = torch.Generator().manual_seed(3)

    def step() -> None:
        nonlocal state
        _, state = transducer.encode_chunk(torch.randn(1, STACK, MELS, generator=generator) * 3 - 8, state)

    return step


def _batches(recogniser: Recogniser) -> Callable[[], None]:
    transducer, utterances = recogniser.transducer.eval(), _utterances()
    return lambda: void(transducer.encode(*utterances))


def void(_: object) -> None:
    """Nothing of it is needed."""


@torch.inference_mode()
def in_turns(steps: Sequence[Callable[[], None]], warm_up: int, times: int) -> list[float]:
    """Mean milliseconds of each step."""
    seconds = np.zeros(len(steps))
    for number in range(warm_up + times):
        for place, step in enumerate(steps):
            started = time.perf_counter()
            step()
            if number >= warm_up:
                seconds[place] += time.perf_counter() - started
    return [float(each) for each in 1e3 * seconds / times]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gates", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("tiny", "1.5M", "10M", "30M"), default="1.5M")
    parser.add_argument("--executed", type=float, default=0.4, help="share of the work that is done (default: 0.4)")
    parser.add_argument("--chunks", type=int, default=1000, help="chunks that are timed (default: 1000)")
    parser.add_argument("--batches", type=int, default=20, help="batches that are timed (default: 20)")
    parser.add_argument("--out", type=Path, help="folder of the result, instead of benchmarks/results")
    return parser


if __name__ == "__main__":
    print(main())
