"""How long two recognisers take for the same speech, in turns on one core.

As a stream, one encoder frame after another, and whole recordings in batches; encoder and greedy search, features at
hand. Whatever else a machine does meets both alike, and of several rounds the quickest counts for each piece of speech:
others were disturbed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from evenvoice.decoding.greedy import GreedyDecoder, transcribe_labels
from evenvoice.models.recogniser import Recogniser
from evenvoice.progress import Progress

Features = NDArray[np.floating]
ROUNDS: Final = 3
CONFIDENCE: Final = 0.9
"""Two-sided, so that each bound is exceeded once in twenty."""
REPLICATES: Final = 2000
SEED: Final = 0x74696D65


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One way to use a recogniser, under both.

    Attributes:
        audio_s: seconds of speech.
        reference_rtf: seconds that the reference took for a second of speech; ``rtf`` likewise of the other one.
        ratio: of the times, below 1 where the other one is quicker; its interval has pieces of speech resampled, and of
            a single piece holds 1 whatever it took.
    """

    audio_s: float
    reference_rtf: float
    rtf: float
    ratio: float
    ratio_low: float
    ratio_high: float

    @classmethod
    def of(cls, seconds_P2: NDArray[np.float64], audio_P: NDArray[np.float64]) -> Timed:
        """From the seconds that both took for each piece of speech, the reference first."""
        rng = np.random.default_rng(SEED)
        drawn_RP = rng.integers(0, len(audio_P), size=(REPLICATES, len(audio_P)))
        resampled_R2 = seconds_P2[drawn_RP].sum(axis=1)
        low, high = np.quantile(resampled_R2[:, 1] / resampled_R2[:, 0], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        reference_s, other_s = seconds_P2.sum(axis=0)
        if len(audio_P) == 1:
            low, high = 0.0, max(1.0, other_s / reference_s)
        audio_s = audio_P.sum()
        return cls(audio_s=float(audio_s), reference_rtf=float(reference_s / audio_s), rtf=float(other_s / audio_s),
                   ratio=float(other_s / reference_s), ratio_low=float(low), ratio_high=float(high))


def time_stream(reference: Recogniser, other: Recogniser, recordings: Sequence[Features],
                progress: Progress) -> Timed:
    """Recordings one by one, each fed an encoder frame at a time."""
    return _timed(reference, other, [[recording] for recording in recordings], _stream, progress)


def time_batches(reference: Recogniser, other: Recogniser, recordings: Sequence[Features], progress: Progress, *,
                 together: int) -> Timed:
    """Whole recordings, so many ``together``."""
    ordered = sorted(recordings, key=len)
    batches = [ordered[start:start + together] for start in range(0, len(ordered), together)]
    return _timed(reference, other, batches, _batch, progress)


def _timed(reference: Recogniser, other: Recogniser, pieces: Sequence[Sequence[Features]],
           use: Callable[[Recogniser, Sequence[Features]], object], progress: Progress) -> Timed:
    seconds_RP2 = np.empty((ROUNDS, len(pieces), 2))
    with _one_core():
        for recogniser in (reference, other):
            use(recogniser, pieces[0])
        for round_, seconds_P2 in enumerate(seconds_RP2):
            for number, piece in enumerate(pieces):
                turns = [(0, reference), (1, other)]
                for place, recogniser in turns if (round_ + number) % 2 else reversed(turns):
                    started = time.perf_counter()
                    use(recogniser, piece)
                    seconds_P2[number, place] = time.perf_counter() - started
                progress.advance()
    audio_P = np.array([sum(map(len, piece)) * reference.featurize.hop_ms / 1000 for piece in pieces])
    return Timed.of(seconds_RP2.min(axis=0), audio_P)


@contextmanager
def _one_core() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _stream(recogniser: Recogniser, piece: Sequence[Features]) -> None:
    search, stack = GreedyDecoder(recogniser.transducer.eval()), recogniser.transducer.encoder.subsampling
    for recording in piece:
        state = search.initial_state(1)
        whole_1TM = torch.from_numpy(np.asarray(recording, np.float32))[None]
        for start in range(0, len(recording), stack):
            state = search.step(whole_1TM[:, start:start + stack], state)
        search.finish(state)


def _batch(recogniser: Recogniser, piece: Sequence[Features]) -> None:
    transcribe_labels(recogniser, piece, batch_s=_all_together(recogniser, piece))


def _all_together(recogniser: Recogniser, piece: Sequence[Features]) -> float:
    """Seconds that hold them with their padding."""
    return len(piece) * (1 + max(map(len, piece))) * recogniser.featurize.hop_ms / 1000
