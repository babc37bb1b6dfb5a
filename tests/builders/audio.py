"""Tiny audio: tones as samples and as files, whole and broken."""

from __future__ import annotations

import io

import numpy as np
import soundfile

from evenvoice.data.audio import Waveform


def tone(seconds: float = 1.0, rate: int = 16000, hertz: float = 440.0, peak: float = 0.5) -> Waveform:
    """A sine."""
    time_s = np.arange(round(seconds * rate)) / rate
    return Waveform(samples=(peak * np.sin(2 * np.pi * hertz * time_s)).astype(np.float32), rate=rate)


def file_bytes(waveform: Waveform, kind: str = "FLAC", channels: int = 1) -> bytes:
    """The samples as a file of any kind that libsndfile writes, the same in every channel."""
    buffer = io.BytesIO()
    samples = np.repeat(waveform.samples[:, None], channels, axis=1)
    soundfile.write(buffer, samples, waveform.rate, format=kind, subtype="FLOAT" if kind == "WAV" else None)
    return buffer.getvalue()


def with_declared_frames(flac: bytes, frames: int) -> bytes:
    """The same FLAC file, lying about its length: 36 bits behind the sample rate of its header."""
    header = int.from_bytes(flac[18:26], "big")
    return flac[:18] + (header >> 36 << 36 | frames).to_bytes(8, "big") + flac[26:]
