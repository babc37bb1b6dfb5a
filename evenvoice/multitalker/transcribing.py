"""Turns that recognisers hear in mixtures: of two talkers, and the base recogniser beside it, which hears one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.audio import Waveform, resample
from evenvoice.data.features import LogMel
from evenvoice.data.schemas import HEARD_TURNS
from evenvoice.data.tables import rows_table, write_table
from evenvoice.decoding.greedy import GreedyDecoder
from evenvoice.decoding.search import Hypothesis, Search
from evenvoice.errors import ArtifactError
from evenvoice.models.compute import macs_per_audio_s
from evenvoice.models.padding import pad_features
from evenvoice.models.recogniser import Recogniser
from evenvoice.multitalker.labels import TurnLabels
from evenvoice.multitalker.store import MixtureStore
from evenvoice.multitalker.turns import TimedTurn
from evenvoice.origins import features_digest, model_digest
from evenvoice.progress import Progress
from evenvoice.storage import fresh_directory, write_json

MULTITALKER: Final = "multitalker"
BASE: Final = "base"
HEARD: Final = ("validate", "test")
COMPUTE: Final = "compute.json"
"""Beside the turns: what it took each model to hear them."""


def transcribe_mixtures(*, mixtures: Path, model: Path, base: Path, out: Path, batch_s: float,
                        progress: Progress) -> None:
    """Write the turns that both recognisers hear.

    Raises:
        ArtifactError: an input is missing or broken, or the model tells no talkers apart.
    """
    recognisers = {MULTITALKER: Recogniser.load(model), BASE: Recogniser.load(base)}
    if recognisers[MULTITALKER].separator is None:
        raise ArtifactError(name=str(model), rule="tell talkers apart", value="a recogniser of one talker",
                            action="Run the stage train_multitalker again.")
    store = MixtureStore.open(mixtures, recognisers[BASE].featurize.n_mels)
    indices = store.indices(*HEARD)
    progress.total, progress.unit = len(recognisers) * len(indices), "mixture"
    rows: list[dict[str, Any]] = []
    compute: dict[str, dict[str, float]] = {}
    for name, recogniser in recognisers.items():
        counted, started_at = _Labels(), time.monotonic()
        rows += _rows(name, recogniser, store, indices, batch_s, counted, progress)
        audio_s = max(float(store.durations_s[indices].sum(dtype=np.float64)), 1e-9)
        compute[name] = _compute_of(recogniser, counted.total / audio_s)
        if name == MULTITALKER:
            seconds = time.monotonic() - started_at
            progress.measured(seconds=seconds, audio_s_per_s=audio_s / max(seconds, 1e-9))
    with fresh_directory(out) as draft:
        write_table(draft / "turns.parquet", rows_table(rows, HEARD_TURNS))
        write_json(draft / COMPUTE, compute)
        write_json(draft / "origin.json", {"model": model_digest(model), "base": model_digest(base),
                                           "mixtures": features_digest(mixtures)})


def hear(recogniser: Recogniser, features: Sequence[NDArray[np.floating]]) -> list[list[TimedTurn]]:
    """The turns of each recording, channel by channel; of a recogniser of one talker, all of it as one turn.

    Args:
        recogniser: decodes greedily, on the device on which its weights are.
        features: (frames, n_mels) log-mel features of each recording, decoded together.
    """
    return [turns_of(recogniser, channels) for channels in _searched(recogniser, features)]


def _searched(recogniser: Recogniser, features: Sequence[NDArray[np.floating]]) -> list[list[Hypothesis]]:
    """The hypotheses of the channels of each recording."""
    transducer = recogniser.transducer
    padded = pad_features(features, fill_M=transducer.mean_M.cpu().numpy(), least_frames=transducer.encoder.subsampling)
    search: Search[Any] = GreedyDecoder(transducer.eval())
    state = search.step(padded.features_BTM.to(transducer.mean_M.device), search.initial_state(len(features)),
                        padded.frame_lengths_B)
    found = [best for best, *_ in search.finish(state)]
    channels = transducer.channels
    return [found[first:first + channels] for first in range(0, len(found), channels)]


def hear_recording(recogniser: Recogniser, samples: NDArray[np.float32], rate: int) -> list[TimedTurn]:
    """The turns of one recording of (T,) mono samples, channel by channel; ``rate`` is theirs, in Hz."""
    waveform = resample(Waveform(samples, rate), recogniser.sample_rate)
    [turns] = hear(recogniser, [LogMel(recogniser.featurize, recogniser.sample_rate)(waveform.samples)])
    return turns


def turns_of(recogniser: Recogniser, channels: Sequence[Hypothesis]) -> list[TimedTurn]:
    """The turns of one recording from the hypotheses of its channels."""
    shape = recogniser.separator
    labels = TurnLabels(recogniser.tokenizer, "none" if shape is None else shape.tokens)
    return [turn for channel, hypothesis in enumerate(channels)
            for turn in labels.heard(hypothesis, channel, recogniser.frame_s, recogniser.lookahead_s)]


@dataclass
class _Labels:
    """Labels that were written, those of turns among them."""

    total: int = 0


def _rows(name: str, recogniser: Recogniser, store: MixtureStore, indices: NDArray[np.int64], batch_s: float,
          counted: _Labels, progress: Progress) -> Iterator[dict[str, Any]]:
    for batch in _batches(store, indices, recogniser.frames_in(batch_s)):
        found = _searched(recogniser, [store.features(i) for i in batch])
        for i, channels in zip(batch, found, strict=True):
            counted.total += sum(len(channel.labels) for channel in channels)
            for turn in turns_of(recogniser, channels):
                yield {"model": name, "mixture": str(store.ids[i]), "split": str(store.splits[i]),
                       "channel": turn.channel, "text": turn.text, **_times(turn, name)}
        progress.advance(len(batch))


def _compute_of(recogniser: Recogniser, labels_per_s: float) -> dict[str, float]:
    macs = macs_per_audio_s(recogniser.transducer, frames_per_s=1 / recogniser.frame_s, labels_per_s=labels_per_s)
    return {"macs_per_audio_s": macs.total, "labels_per_audio_s": labels_per_s,
            "parameters": recogniser.transducer.parameter_count}


def _times(turn: TimedTurn, name: str) -> dict[str, float | None]:
    """Of the control, which tells neither, those of its first and last word."""
    if name == BASE and turn.words:
        return {"start_s": turn.words[0].start_s, "end_s": turn.words[-1].end_s}
    return {"start_s": turn.start_s, "end_s": turn.end_s}


def _batches(store: MixtureStore, indices: NDArray[np.int64], limit: int) -> Iterator[list[int]]:
    """Mixtures of like length together, as many as fit ``limit`` frames with their padding, but at least one."""
    order = indices[np.argsort(-store.frames[indices], kind="stable")].tolist()
    while order:
        size = max(1, limit // int(store.frames[order[0]]))
        yield order[:size]
        order = order[size:]
