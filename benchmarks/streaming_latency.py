"""How long a stream waits for its next words, and what it keeps in memory: PyTorch beside onnxruntime.

    python -m benchmarks.streaming_latency
    python -m benchmarks.streaming_latency --size 10M --encoders lstm conformer --chunk 2

One stream, one thread: the encoder alone (PyTorch, then onnxruntime on its export, chunk by chunk in turns), and all
that serving does from samples to words (log-mel, encoder, greedy search). Weights are random; blank is made certain, so
the search looks at every frame once. The encoder is measured again at 16 frames per call: what a frame costs less there
is what each call of PyTorch costs, whatever it computes. On CUDA, many streams in one batch.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.hardware import hardware, write_result
from evenvoice.data.tokenizer import Tokenizer
from evenvoice.decoding.stream import Stream
from evenvoice.errors import PreflightError
from evenvoice.export.onnx_files import export
from evenvoice.export.runtime import OnnxGreedy, Step
from evenvoice.export.states import named_tensors
from evenvoice.models.presets import PRESETS
from evenvoice.models.recogniser import Recogniser
from evenvoice.models.shapes import Architecture
from evenvoice.params import Featurize

MELS = 64
STACK = 4
RATE = 16000
LONG_CHUNK = 16
FEATURES = Featurize(n_mels=MELS, window_ms=25.0, hop_ms=10.0, low_hz=20.0, high_hz=7600.0, shard_mb=1)
STREAMS = (1, 16, 128, 1024)
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Times:
    """Of one chunk, in milliseconds."""

    p50_ms: float
    p99_ms: float
    real_time_factor: float
    """Mean time of a chunk by its duration."""

    @classmethod
    def of(cls, seconds: Sequence[float], chunk_s: float) -> Times:
        """Summarise the times of chunks."""
        p50, p99 = np.percentile(seconds, [50, 99])
        return cls(float(p50) * 1e3, float(p99) * 1e3, float(np.mean(seconds)) / chunk_s)


def main(argv: Sequence[str] | None = None) -> Path:
    """Measure every encoder that was asked for; returns where the result was written."""
    arguments = _parser().parse_args(argv)
    torch.set_num_threads(1)
    print(f"{'ms per chunk':16} {'torch p50':>9} {'p99':>7} {'onnx p50':>9} {'p99':>7} {'served p50':>10} {'p99':>7}"
          f" {'rtf':>7} {'16 frames':>9} {'bytes':>9}")
    rows = [_measured(name, arguments.size, arguments.chunk, arguments.chunks) for name in arguments.encoders]
    if not torch.cuda.is_available():
        print(f"many streams in one batch: {NOT_MEASURED}, there is no GPU")
    return write_result(f"streaming_latency{'' if arguments.size == '1.5M' else '-' + arguments.size}", {
        "hardware": hardware(), "torch": torch.__version__, "size": arguments.size,
        "chunk_ms": arguments.chunk * STACK * FEATURES.hop_ms, "chunks": arguments.chunks, "encoders": rows})


def _measured(name: str, size: str, chunk: int, chunks: int) -> dict[str, Any]:
    recogniser = untrained(name, size)
    chunk_s = chunk * recogniser.frame_s
    eager, onnx = _encoder_times(recogniser, chunk, chunks)
    served = Times.of(_served(recogniser, chunk_s, chunks), chunk_s)
    long_s, _ = _encoder_times(recogniser, LONG_CHUNK, max(2, chunks // LONG_CHUNK), with_onnx=False)
    frame_ms = float(np.median(eager)) * 1e3 / chunk
    row = {
        "encoder": name, "parameters": recogniser.transducer.parameter_count,
        "macs_per_frame": recogniser.transducer.encoder.macs_per_frame,
        "torch": asdict(Times.of(eager, chunk_s)),
        "onnxruntime": onnx if isinstance(onnx, str) else asdict(Times.of(onnx, chunk_s)),
        "torch_by_onnxruntime": None if isinstance(onnx, str) else float(np.median(np.divide(eager, onnx))),
        "served": asdict(served), "frame_ms": frame_ms,
        "frame_ms_16_at_once": float(np.median(long_s)) * 1e3 / LONG_CHUNK,
        "state_bytes": _state_bytes(recogniser),
        "cuda": _cuda(recogniser, chunk) if torch.cuda.is_available() else f"{NOT_MEASURED}: no GPU"}
    _print(row)
    return row


def _print(row: dict[str, Any]) -> None:
    onnx = f"{NOT_MEASURED:>17}" if isinstance(row["onnxruntime"], str) else (
        f"{row['onnxruntime']['p50_ms']:9.3f} {row['onnxruntime']['p99_ms']:7.3f}")
    print(f"{row['encoder']:16} {row['torch']['p50_ms']:9.3f} {row['torch']['p99_ms']:7.3f} {onnx}"
          f" {row['served']['p50_ms']:10.3f} {row['served']['p99_ms']:7.3f} {row['served']['real_time_factor']:7.4f}"
          f" {row['frame_ms_16_at_once']:9.3f} {row['state_bytes']:9}", flush=True)


def untrained(name: str, size: str) -> Recogniser:
    """A recogniser with random weights that finds blank in every frame."""
    preset = PRESETS[size]
    tokenizer = Tokenizer(kind="characters", units=tuple(chr(0x4E00 + i) for i in range(preset.vocabulary - 2)))
    architecture = Architecture(encoder=preset.encoders[name], stack=STACK, lookahead=0, dropout=0.0, n_mels=MELS,
                                predictor_width=preset.predictor_width, joiner_width=preset.joiner_width,
                                vocabulary=tokenizer.size)
    recogniser = Recogniser.build(architecture, tokenizer=tokenizer, featurize=FEATURES, sample_rate=RATE, seed=1,
                                  mean=np.full(MELS, -8.0, np.float32), std=np.full(MELS, 3.0, np.float32))
    with torch.no_grad():
        recogniser.transducer.eval().joiner.output.bias[0] = 1e4
    return recogniser


@torch.inference_mode()
def _encoder_times(recogniser: Recogniser, chunk: int, chunks: int, *,
                   with_onnx: bool = True) -> tuple[list[float], list[float] | str]:
    """Seconds of every chunk, of PyTorch and of onnxruntime in turns, once caches are full."""
    features_BTM = torch.randn(1, chunk * STACK, MELS) * 3 - 8
    steps = [_torch_step(recogniser, features_BTM)]
    missing = f"{NOT_MEASURED}: not asked for"
    if with_onnx:
        try:
            steps.append(_onnx_step(recogniser, features_BTM, chunk))
        except PreflightError as error:
            missing = f"{NOT_MEASURED}: {error}"
    seconds: list[list[float]] = [[] for _ in steps]
    for number in range(-(-100 // chunk), -chunks, -1):
        for step, times in zip(steps, seconds, strict=True):
            started = time.perf_counter()
            step()
            if number <= 0:
                times.append(time.perf_counter() - started)
    return seconds[0], seconds[1] if len(seconds) == 2 else missing


def _torch_step(recogniser: Recogniser, features_BTM: Tensor) -> Callable[[], None]:
    transducer = recogniser.transducer
    state = transducer.encoder.initial_state(len(features_BTM))

    def step() -> None:
        nonlocal state
        _, state = transducer.encode_chunk(features_BTM, state)

    return step


def _onnx_step(recogniser: Recogniser, features_BTM: Tensor, chunk: int) -> Callable[[], None]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "onnx"
        export(recogniser, path, frames=chunk)
        encoder = Step(path, OnnxGreedy(path).description.encoder)
    state, features = encoder.initial_state(), features_BTM.numpy()

    def step() -> None:
        nonlocal state
        _, state = encoder(state, features)

    return step


def _served(recogniser: Recogniser, chunk_s: float, chunks: int) -> list[float]:
    """Seconds of every chunk from samples to words."""
    stream, samples = Stream(recogniser, RATE), round(chunk_s * RATE)
    noise = np.random.default_rng(0).normal(scale=0.05, size=samples).astype(np.float32)
    seconds = []
    for _ in range(100 + chunks):
        started = time.perf_counter()
        stream.feed(noise)
        seconds.append(time.perf_counter() - started)
    return seconds[100:]


@torch.inference_mode()
def _state_bytes(recogniser: Recogniser) -> int:
    """What one stream keeps between chunks once caches are full: encoder, predictor, the joiner's projection of it."""
    transducer = recogniser.transducer
    _, state = transducer.encode_chunk(torch.zeros(1, 200 * STACK, MELS), transducer.encoder.initial_state(1))
    tensors = [*named_tensors(state.body, ""), *named_tensors(transducer.predictor.initial_state(1), "")]
    kept = sum(tensor.numel() * tensor.element_size() for _, tensor in tensors)
    return kept + 4 * transducer.joiner.frame.out_features


@torch.inference_mode()
def _cuda(recogniser: Recogniser, chunk: int) -> list[dict[str, float]]:
    """Milliseconds of a chunk of so many streams, and how many streams one GPU keeps up with at that batch."""
    recogniser.transducer.cuda()
    measured = []
    for streams in STREAMS:
        step = _torch_step(recogniser, torch.randn(streams, chunk * STACK, MELS, device="cuda"))
        seconds = [_synchronised(step) for _ in range(200)][100:]
        times = Times.of(seconds, chunk * recogniser.frame_s)
        measured.append({"streams": streams, "p50_ms": times.p50_ms, "p99_ms": times.p99_ms,
                         "streams_in_real_time": streams / times.real_time_factor})
        print(f"  {streams:5} streams: {times.p50_ms:.2f} ms", flush=True)
    recogniser.transducer.cpu()
    return measured


def _synchronised(step: Callable[[], None]) -> float:
    torch.cuda.synchronize()
    started = time.perf_counter()
    step()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming_latency", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=sorted(PRESETS), default="1.5M")
    parser.add_argument("--encoders", nargs="+", choices=tuple(PRESETS["1.5M"].encoders), metavar="NAME",
                        default=tuple(PRESETS["1.5M"].encoders))
    parser.add_argument("--chunk", type=int, default=1, help="encoder frames of 40 ms per chunk (default: 1)")
    parser.add_argument("--chunks", type=int, default=500, help="chunks that are timed (default: 500)")
    return parser


if __name__ == "__main__":
    print(main())
