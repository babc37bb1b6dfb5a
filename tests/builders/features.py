"""Tiny corpora as ingest writes them, and tiny features as featurize does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evenvoice.data.schemas import FEATURES, UTTERANCES
from evenvoice.data.tables import ParquetRows
from evenvoice.origins import write_contents
from evenvoice.params import Featurize
from evenvoice.storage import write_json
from tests.builders.audio import file_bytes, tone
from tests.builders.ipc import write_rows

SETTINGS = Featurize(n_mels=16, window_ms=25.0, hop_ms=10.0, low_hz=20.0, high_hz=7600.0, shard_mb=1)
RATE = 16000


@dataclass(frozen=True)
class Said:
    """One recording: a tone of its own pitch stands in for speech."""

    utterance: str
    split: str = "train"
    text: str = "turn on the light"
    seconds: float = 0.5
    hertz: float = 440.0
    audio: bytes | None = None
    """Instead of the tone."""
    declared_s: float | None = None
    """Instead of the tone's length."""


def write_corpus(directory: Path, recordings: Sequence[Said]) -> None:
    """Write utterances and summary of a corpus, each recording by its own speaker, and a MiB of audio in each file."""
    utterances = directory / "utterances"
    utterances.mkdir(parents=True)
    files = [ParquetRows(utterances / "utterances-00000.parquet", UTTERANCES)]
    filled = 0
    for said in recordings:
        if filled >= 1 << 20:
            files.append(ParquetRows(utterances / f"utterances-{len(files):05d}.parquet", UTTERANCES))
            filled = 0
        audio = said.audio or file_bytes(tone(said.seconds, RATE, said.hertz))
        row = dict.fromkeys(UTTERANCES.names) | {
            "utterance": said.utterance, "speaker": f"speaker of {said.utterance}", "split": said.split,
            "text": said.text, "duration_s": said.declared_s or said.seconds, "audio": audio}
        files[-1].append(row, size=len(audio))
        filled += len(audio)
    for file in files:
        file.close()
    write_json(directory / "summary.json", {"labelled": "recorded", "speakers_overlap": False})


def counting_features(frames: int, n_mels: int) -> np.ndarray:
    """0, 1, 2 ... in reading order, so that a wrong stride or offset shows."""
    return np.arange(frames * n_mels, dtype=np.float16).reshape(frames, n_mels)


def write_features(directory: Path, frames: Sequence[int], n_mels: int = 4, splits: Sequence[str] | None = None,
                   shard_mb: int = 1) -> None:
    """Write a feature store of recordings ``u0``, ``u1`` ... with counting features."""
    directory.mkdir(parents=True, exist_ok=True)
    rows = [{"utterance": f"u{i}", "speaker": f"s{i % 2}", "split": splits[i] if splits else "train",
             "text": f"text {i}", "duration_s": count / 100, "frames": count,
             "features": counting_features(count, n_mels).tobytes()} for i, count in enumerate(frames)]
    write_rows(directory, "features", FEATURES, rows, shard_mb)
    write_json(directory / "statistics.json", {"mean": [0.5] * n_mels, "std": [2.0] * n_mels})
    write_contents(directory)
