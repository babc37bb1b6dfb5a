"""The transducer loss beside its peers: time and peak memory of forward and backward, joiner included.

    python -m benchmarks.transducer_loss                     the sizes of the published figures, on CPU
    python -m benchmarks.transducer_loss --device cuda       the same on a GPU

Every measurement is a process of its own, so that its peak memory is its own. Peers take turns, round by round, and the
figure is the median of the ratio to the plain lattice in the same round. On CPU that is a ratio of processor seconds
of one thread, which hold on a machine that does other work; elapsed seconds stand beside.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchmarks.hardware import hardware, write_result
from benchmarks.transducer_loss_peers import LIBRARIES, PEERS, Batch

SIZES = ["16,125,60,32", "16,250,60,512", "8,500,100,1024"]
"""Shapes (B, T, U, V) of the logits; U counts label positions."""
PLAIN = "plain"
TOO_SLOW = 10
MIB = 1 << 20


@dataclass(frozen=True)
class Turn:
    """One forward and backward pass of one peer."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    loss: float


@dataclass(frozen=True)
class Figures:
    """A peer at one size: medians over rounds, ratios to the plain lattice of the same round."""

    peer: str
    size: str
    seconds: float
    cpu_seconds: float
    peak_mib: float
    time_ratio: float | None
    memory_ratio: float | None
    loss: float


def measure(peer: str, size: str, width: int, device: torch.device) -> Turn:
    """Run one pass in this process, after a tiny one that loads and compiles what the peer needs."""
    batch, frames, positions, vocabulary = map(int, size.split(","))
    _pass(peer, Batch.drawn(2, 5, 3, vocabulary, width, device))
    inputs = Batch.drawn(batch, frames, positions, vocabulary, width, device)
    before = _peak_mib(device)
    seconds, cpu_seconds = time.perf_counter(), time.process_time()
    loss = _pass(peer, inputs)
    return Turn(time.perf_counter() - seconds, time.process_time() - cpu_seconds, _peak_mib(device) - before, loss)


def _pass(peer: str, batch: Batch) -> float:
    losses_B = PEERS[batch.bias_V.device.type][peer](batch)
    torch.autograd.grad(losses_B.sum(), batch.trained)
    return losses_B.sum().item()  # waits for the GPU


def _peak_mib(device: torch.device) -> float:
    """What was in use at most, input included; the pass's own need is the growth."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def turn(peer: str, size: str, options: argparse.Namespace) -> Turn | str:
    """One measurement in a process of its own, or why there is none."""
    library = LIBRARIES.get(peer)
    if library is not None and importlib.util.find_spec(library) is None:
        return f"{library} is not installed"
    command = [sys.executable, "-m", "benchmarks.transducer_loss", "--measure", peer, "--sizes", size,
               "--width", str(options.width), "--device", options.device, "--threads", str(options.threads)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=options.limit_s, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return f"takes more than {options.limit_s} s"
    if done.returncode:
        return f"failed: {(done.stderr.strip().splitlines() or [str(done.returncode)])[-1]}"
    return Turn(**json.loads(done.stdout.splitlines()[-1]))


def compare(size: str, given_up: dict[str, str],
            options: argparse.Namespace) -> tuple[list[Figures], dict[str, str]]:
    """All peers in turns; who is not measured, and why.

    Who needs ten times the plain lattice's time gets one turn, and is entered in ``given_up`` for larger sizes.
    """
    turns: dict[str, list[Turn]] = {}
    missing = dict(given_up)
    for _ in range(options.rounds):
        for peer in (peer for peer in PEERS[options.device] if peer not in missing | given_up):
            found = turn(peer, size, options)
            if isinstance(found, str):
                missing[peer] = found
                turns.pop(peer, None)
            else:
                turns.setdefault(peer, []).append(found)
        given_up |= _too_slow(turns, size, options)
    return [_figures(peer, size, found, turns.get(PLAIN, []), options) for peer, found in turns.items()], missing


def _too_slow(turns: dict[str, list[Turn]], size: str, options: argparse.Namespace) -> dict[str, str]:
    if PLAIN not in turns:
        return {}
    times = {peer: _seconds(found[0], options) / _seconds(turns[PLAIN][0], options) for peer, found in turns.items()}
    return {peer: f"took {ratio:.0f} times as long as the plain lattice at ({size})"
            for peer, ratio in times.items() if ratio > TOO_SLOW}


def _seconds(one: Turn, options: argparse.Namespace) -> float:
    """What is compared: elapsed time of several threads or a GPU, otherwise processor time."""
    return one.cpu_seconds if options.device == "cpu" and options.threads == 1 else one.seconds


def _figures(peer: str, size: str, turns: list[Turn], plain: list[Turn], options: argparse.Namespace) -> Figures:
    pairs = list(zip(turns, plain, strict=False))
    ratio = memory = None
    if pairs:
        ratio = statistics.median(_seconds(ours, options) / _seconds(other, options) for ours, other in pairs)
        memory = statistics.median(ours.peak_mib / other.peak_mib for ours, other in pairs if other.peak_mib)
    middle = {name: round(statistics.median(getattr(one, name) for one in turns), 3)
              for name in ("seconds", "cpu_seconds", "peak_mib", "loss")}
    return Figures(peer=peer, size=size, **middle, time_ratio=None if ratio is None else round(ratio, 3),
                   memory_ratio=None if memory is None else round(memory, 3))


def main() -> None:
    """Measure, print, and write the result with the hardware."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=list(PEERS), default="cpu")
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="B,T,U,V")
    parser.add_argument("--width", type=int, default=512, help="joiner channels, the same at all sizes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch on the CPU")
    parser.add_argument("--limit-s", type=int, default=600, help="gives up a peer's measurement after so long")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        torch.set_num_threads(options.threads)
        print(json.dumps(asdict(measure(options.measure, options.sizes[0], options.width,
                                        torch.device(options.device)))))
        return
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("no CUDA device: not measured")
    path = write_result(f"transducer_loss-{options.device}", _run(options))
    print(f"written to {path}")


def _run(options: argparse.Namespace) -> dict[str, Any]:
    figures: list[Figures] = []
    given_up: dict[str, str] = {}
    missing: dict[str, dict[str, str]] = {}
    for size in options.sizes:
        found, missing[size] = compare(size, given_up, options)
        figures += found
        for one in found:
            print(f"({size}) {one.peer}: {one.seconds:.2f} s, {one.cpu_seconds:.2f} CPU s, {one.peak_mib:.0f} MiB; "
                  f"of the plain lattice {one.time_ratio} x time, {one.memory_ratio} x memory", flush=True)
        for peer, reason in missing[size].items():
            print(f"({size}) {peer}: not measured, {reason}", flush=True)
    gpu = {"gpu": torch.cuda.get_device_name()} if options.device == "cuda" else \
        {"gpu": "not measured here" if torch.cuda.is_available() else "none on this machine, not measured"}
    return {"joiner_width": options.width, "rounds": options.rounds, "threads": options.threads,
            "compared": "cpu_seconds" if options.device == "cpu" and options.threads == 1 else "seconds",
            "torch": torch.__version__, "load_average_at_end": os.getloadavg()[0], "hardware": hardware() | gpu,
            "results": [asdict(one) for one in figures], "not_measured": missing}


if __name__ == "__main__":
    main()
