"""Log-mel features: alone beside other ways to compute them, and from the bytes of a corpus to features on disk.

    python -m benchmarks.features                    both, a few minutes
    python -m benchmarks.features --minutes 5 --turns 5

All on one thread and the same audio, in alternating turns after one that does not count. Figures are seconds of audio
per CPU second of this process, the median over the turns; ratios are medians over pairs of turns.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.hardware import hardware, write_result
from evenvoice.data.audio import Waveform, encode_flac, encode_wav
from evenvoice.data.extraction import extract
from evenvoice.data.features import LogMel
from evenvoice.data.pieces import Pieces
from evenvoice.data.schemas import UTTERANCES
from evenvoice.data.tables import ParquetRows
from evenvoice.params import Featurize
from evenvoice.progress import Progress

RATE = 16000
SETTINGS = Featurize(n_mels=64, window_ms=25.0, hop_ms=10.0, low_hz=20.0, high_hz=7600.0, shard_mb=128)
Samples = NDArray[np.float32]
Compute = Callable[[Samples], Any]


@dataclass(frozen=True)
class Figure:
    """What one candidate took of one load."""

    candidate: str
    load: str
    times_real_time: float | None
    """Median; None where it was not measured."""
    ours_over_it: float | None
    """Median of the ratios of each turn."""
    note: str = ""


@dataclass(frozen=True)
class Storing:
    """One way to store the audio of a corpus, and extraction from it."""

    audio: str
    megabytes_per_hour: float
    times_real_time_per_core: float
    times_real_time_wall: float
    """On one thread."""


def speech_like(seconds: float, rng: np.random.Generator) -> Samples:
    """Harmonics of a wandering pitch in syllables of a few per second, over noise."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    pitch_hz = rng.uniform(90, 220) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(0.5, 2) * time_s))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE
    voiced = sum(np.sin(number * phase) / number for number in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * rng.uniform(2, 5) * time_s), 0, None)
    return np.asarray(0.1 * voiced * syllables + rng.normal(0, 0.005, len(time_s)), np.float32)


def utterances(minutes: float) -> list[Samples]:
    """So many minutes in utterances of 2 to 8 s."""
    rng, found, left_s = np.random.default_rng(3), [], 60 * minutes
    while left_s > 0:
        found.append(speech_like(float(rng.uniform(2, 8)), rng))
        left_s -= len(found[-1]) / RATE
    return found


def candidates() -> dict[str, Compute | str]:
    """Each way to compute features of one utterance, or why it cannot be measured."""
    found: dict[str, Compute | str] = {"evenvoice": LogMel(SETTINGS, RATE)}
    for name, build in (("kaldi-native-fbank", kaldi_native_fbank), ("torch.stft alone", torch_stft),
                        ("lhotse Fbank", lhotse_fbank)):
        try:
            found[name] = build()
        except ImportError as error:
            found[name] = f"not measured: {error}"
    return found


def kaldi_native_fbank() -> Compute:
    """64 bands, no dither; frames are fetched one by one, as its interface has it."""
    import kaldi_native_fbank as knf
    options = knf.FbankOptions()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = SETTINGS.n_mels

    def compute(samples: Samples) -> Samples:
        fbank = knf.OnlineFbank(options)
        fbank.accept_waveform(RATE, samples)
        return np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])
    return compute


def lhotse_fbank() -> Compute:
    """Its default extractor but for 64 bands instead of 80."""
    from lhotse import Fbank, FbankConfig
    extractor = Fbank(FbankConfig(num_filters=SETTINGS.n_mels, device="cpu"))
    return lambda samples: extractor.extract(samples, RATE)


def torch_stft() -> Compute:
    """The complex spectrum and nothing else: no power, no bands, no logarithm."""
    import torch
    torch.set_num_threads(1)
    taper = torch.hann_window(400)
    return lambda samples: torch.stft(torch.from_numpy(samples), 512, 160, 400, taper, center=False,
                                      return_complex=True)


def beside_peers(load: str, audio: Sequence[Samples], turns: int) -> list[Figure]:
    """Every candidate on the same utterances, one after the other, again and again."""
    seconds = sum(map(len, audio)) / RATE
    computes = candidates()
    cpu_s: dict[str, list[float]] = {name: [] for name, compute in computes.items() if callable(compute)}
    for turn in range(turns + 1):
        for name, spent in cpu_s.items():
            compute, began = computes[name], time.process_time()
            assert callable(compute)
            for samples in audio:
                compute(samples)
            if turn:
                spent.append(time.process_time() - began)
    ours = cpu_s["evenvoice"]
    return [Figure(name, load, round(seconds / median(cpu_s[name])),
                   round(median(theirs / own for theirs, own in zip(cpu_s[name], ours, strict=True)), 2))
            if callable(compute) else Figure(name, load, None, None, compute) for name, compute in computes.items()]


def from_bytes(audio: Sequence[Samples], minutes: float, turns: int) -> list[Storing]:
    """The stage's own extraction, on one thread, of a corpus of that many minutes stored in each way."""
    with tempfile.TemporaryDirectory(prefix="evenvoice-features-") as folder, one_core():
        root = Path(folder)
        seconds = [write_corpus(root / name, audio, 60 * minutes, encode) for name, encode in ENCODINGS.items()]
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ENCODINGS}
        for turn in range(turns + 1):
            for name, times in spent.items():
                took = extraction_s(root / name, root / "features")
                if turn:
                    times.append(took)
        return [Storing(name, round(size(root / name) / length * 3600 / 1e6, 1),
                        round(length / median(cpu_s for cpu_s, _ in spent[name])),
                        round(length / median(wall_s for _, wall_s in spent[name])))
                for name, length in zip(ENCODINGS, seconds, strict=True)]


ENCODINGS: dict[str, Callable[[Waveform], bytes]] = {"wav": encode_wav, "flac": encode_flac}
"""The first is what ingest writes; extraction reads both."""


@contextmanager
def one_core() -> Iterator[None]:
    """Extraction starts as many threads as the process may use cores."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def write_corpus(directory: Path, audio: Sequence[Samples], seconds: float,
                 encode: Callable[[Waveform], bytes]) -> float:
    """Write utterances as ingest does, again and again until there are enough; return their seconds."""
    (directory / "utterances").mkdir(parents=True)
    rows = ParquetRows(directory / "utterances" / "utterances-00000.parquet", UTTERANCES)
    encoded = [encode(Waveform(samples, RATE)) for samples in audio]
    written, row = 0.0, 0
    while written < seconds:
        content, duration_s = encoded[row % len(encoded)], len(audio[row % len(audio)]) / RATE
        rows.append(dict.fromkeys(UTTERANCES.names) | {
            "utterance": f"u{row}", "speaker": f"s{row // 20}", "split": "test" if row % 5 == 0 else "train",
            "text": "what was said", "duration_s": duration_s, "audio": content}, len(content))
        written, row = written + duration_s, row + 1
    rows.close()
    return written


def extraction_s(corpus: Path, out: Path) -> tuple[float, float]:
    """CPU and wall seconds of extraction, from opening the corpus to features in place."""
    progress = Progress("featurize", unit="recording")
    began = time.process_time(), time.monotonic()
    extract(corpus=corpus, out=out, settings=SETTINGS, sample_rate=RATE, progress=progress,
            pieces=Pieces(out.parent / "pieces", {}, progress))
    return time.process_time() - began[0], time.monotonic() - began[1]


def size(corpus: Path) -> int:
    """Bytes of the corpus."""
    return sum(path.stat().st_size for path in corpus.rglob("*.parquet"))


def measure(minutes: float, corpus_minutes: float, turns: int) -> dict[str, Any]:
    """Everything, as it is written down."""
    audio, machine = utterances(minutes), {**hardware(), "load_at_start": os.getloadavg()[0]}
    with threadpool_limits(1):
        figures = [*beside_peers("utterances of 2 to 8 s", audio, turns),
                   *beside_peers("one utterance of 15 s", [speech_like(15.0, np.random.default_rng(5))], 4 * turns)]
        stored = from_bytes(audio, corpus_minutes, turns)
    return {"hardware": machine, "settings": SETTINGS.model_dump(), "turns": turns,
            "log_mel": [asdict(figure) for figure in figures],
            "bytes_to_disk": [asdict(storing) for storing in stored]}


def show(result: dict[str, Any]) -> None:
    """A table of it."""
    for figure in result["log_mel"]:
        print(f"{figure['load']:24} {figure['candidate']:20}", figure["note"] or
              f"{figure['times_real_time']:6} x real time   ours {figure['ours_over_it']:.2f} x as fast")
    for storing in result["bytes_to_disk"]:
        print(f"bytes to disk, {storing['audio']:9} {storing['times_real_time_per_core']:6} x real time per core, "
              f"{storing['times_real_time_wall']} by the clock; {storing['megabytes_per_hour']} MB per hour")


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="of audio in utterances of a few seconds")
    parser.add_argument("--corpus-minutes", type=float, default=60.0, help="of audio from bytes to disk")
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    result = measure(options.minutes, options.corpus_minutes, options.turns)
    show(result)
    print(write_result("features", result))


if __name__ == "__main__":
    main()
