"""Tiny corpora on disk, one of each layout, and where the real ones lie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from evenvoice.data.corpora.recording import Recording
from evenvoice.params import Params, overlay, parse_params
from tests.builders.audio import file_bytes, tone

REPOSITORY = Path(__file__).resolve().parents[2]
SPEAKERS = [f"voice{number:02d}" for number in range(8)]


def real_corpora() -> Path:
    """The folder of real recordings, or a skip that says why."""
    default = REPOSITORY.parent / "shared" / "corpora" / "real"
    folder = Path(os.environ.get("EVENVOICE_REAL_CORPORA", default))
    if not (folder / "manifest.tsv").is_file():
        pytest.skip(f"no real recordings at {folder}: set EVENVOICE_REAL_CORPORA to their folder")
    return folder


def params_with(changes: dict[str, Any]) -> Params:
    """params.yaml with changes laid over it."""
    base = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    return parse_params(overlay(base, changes), source="test")


def profile(name: str) -> dict[str, Any]:
    """The content of profiles/<name>.yaml."""
    content: dict[str, Any] = yaml.safe_load((REPOSITORY / "profiles" / f"{name}.yaml").read_text(encoding="utf-8"))
    return content


def write_audio(path: Path, seconds: float = 1.0, kind: str = "FLAC") -> Path:
    """A tone at 16 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file_bytes(tone(seconds), kind))
    return path


def write_manifest(root: Path, rows: list[dict[str, str]], name: str = "manifest.tsv") -> Path:
    """A TSV of the given rows; the columns are those of the first."""
    lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]
    root.mkdir(parents=True, exist_ok=True)
    path = root / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def speakers_corpus(root: Path, recordings_each: int = 2) -> list[dict[str, str]]:
    """Audio of eight speakers and the rows that describe it; nothing writes the manifest yet."""
    return [{"path": str(write_audio(root / speaker / f"{number}.flac").relative_to(root)), "text": "turn it up",
             "speaker": speaker, "lat": "52.5167", "lon": "13.3833"}
            for speaker in SPEAKERS for number in range(recordings_each)]


def kaldi_corpus(root: Path, utterances: dict[str, tuple[str, str]]) -> Path:
    """A Kaldi directory with audio beside it; ``utterances`` gives speaker and text by id."""
    directory = root / "kaldi"
    directory.mkdir(parents=True)
    for key in utterances:
        write_audio(root / "wav" / f"{key}.flac")
    tables = {"wav.scp": {key: f"wav/{key}.flac" for key in utterances},
              "utt2spk": {key: speaker for key, (speaker, _) in utterances.items()},
              "text": {key: text for key, (_, text) in utterances.items()}}
    for name, table in tables.items():
        lines = "".join(f"{key} {rest}\n" for key, rest in table.items())
        (directory / name).write_text(lines, encoding="utf-8")
    return directory


def described(key: str, speaker: str, **changes: Any) -> Recording:
    """A recording of a tone that keeps every rule."""
    return Recording(**{"key": key, "speaker": speaker, "text": "turn it up", "audio": ToneAudio(), **changes})


class ToneAudio:
    """Generated audio: one second of a tone, or of the peak that is asked for."""

    def __init__(self, seconds: float = 1.0, rate: int = 16000, peak: float = 0.5) -> None:
        self.waveform = tone(seconds, rate, peak=peak)

    def load(self, *, name: str, max_duration_s: float) -> Any:
        """The tone, whatever the limit."""
        return self.waveform
