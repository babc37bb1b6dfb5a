"""Audio in and out: hostile bytes to mono samples, resampling, FLAC and WAV."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from evenvoice.data.containers import check_whole, opened
from evenvoice.data.sound import SAFE_FORMATS, check_samples, check_size, not_audio, truncated
from evenvoice.errors import RecordingRejected

WAV_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")
"""RIFF, one format chunk (PCM, 1 channel, 16 bits) and the head of one data chunk: IBM and Microsoft (1991)."""


@dataclass(frozen=True, slots=True)
class Waveform:
    """Mono samples in [-1, 1]."""

    samples: NDArray[np.float32]
    """Shape (T,)."""
    rate: int
    """Samples per second."""
    scaled: bool = False
    """Whether they were beyond full scale where they came from, as integers are that were stored as floats."""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate


def decode(content: bytes | memoryview, *, name: str, max_duration_s: float) -> Waveform:
    """Decode a whole WAV or FLAC file; channels are averaged, samples beyond full scale scaled down.

    Raises:
        RecordingRejected: empty, of another length than its header declares, not audio, another format, not finite,
            or longer than ``max_duration_s``.
    """
    return decode_file(io.BytesIO(content), name=name, max_duration_s=max_duration_s)


def decode_file(file: BinaryIO, *, name: str, max_duration_s: float, start_s: float = 0.0, end_s: float | None = None,
                formats: tuple[str, ...] = SAFE_FORMATS) -> Waveform:
    """Decode the part of an open, seekable file between two times; nothing before or behind it is decoded.

    Raises:
        RecordingRejected: as :func:`decode`, or the part does not lie within the file.
    """
    _check_not_empty(file, name)
    try:
        with opened(file, name, formats) as sound:
            if end_s is not None and end_s * sound.samplerate > sound.frames:
                check_whole(file, sound, name)  # perhaps it is not the part that is wrong
            first, count = _span(sound, name, start_s, end_s)
            check_size(sound, name, count, max_duration_s)
            if end_s is None or sound.format != "FLAC":  # what lies behind a part costs another look at a FLAC file
                check_whole(file, sound, name)
            if first:  # some codecs cannot seek, not even there
                sound.seek(first)
            samples = sound.read(count, dtype="float32", always_2d=True)
            rate = int(sound.samplerate)
    except (soundfile.SoundFileError, ValueError, OverflowError, OSError) as error:
        raise not_audio(name, error) from error
    if len(samples) != count:
        raise truncated(name, f"{len(samples)} of {count} declared frames")
    check_samples(samples, name)
    waveform = Waveform(samples=samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1), rate=rate)
    return within_full_scale(waveform, scaled=True)


def within_full_scale(waveform: Waveform, *, scaled: bool) -> Waveform:
    """Divide by the peak where samples lie beyond [-1, 1], so that nothing is clipped; else return the same object.

    Args:
        scaled: whether to mark it where that was done; not where our own resampling overshot.
    """
    peak = np.abs(waveform.samples).max(initial=0.0)
    if not peak > 1:
        return waveform
    return replace(waveform, samples=waveform.samples / peak, scaled=waveform.scaled or scaled)


def resample(waveform: Waveform, rate: int) -> Waveform:
    """Resample with soxr (high quality, linear phase); the same object comes back when nothing is to do.

    What was loud may overshoot full scale a little.
    """
    if waveform.rate == rate:
        return waveform
    return replace(waveform, samples=soxr.resample(waveform.samples, waveform.rate, rate), rate=rate)


def encode_flac(waveform: Waveform) -> bytes:
    """Encode as 16-bit FLAC.

    Raises:
        ValueError: samples beyond [-1, 1], which would be clipped; see :func:`within_full_scale`.
    """
    _check_full_scale(waveform)
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform.samples, waveform.rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def encode_wav(waveform: Waveform) -> bytes:
    """Encode as 16-bit WAV, whose bytes :func:`wav_samples` takes as they are.

    Raises:
        ValueError: samples beyond [-1, 1], which would be clipped; see :func:`within_full_scale`.
    """
    _check_full_scale(waveform)
    # 1 itself has no 16 bits: it becomes the highest number that has
    samples = np.rint(waveform.samples * np.float32(2**15)).clip(-2**15, 2**15 - 1).astype("<i2")
    return b"".join((_wav_header(waveform.rate, samples.nbytes), samples.tobytes()))


def wav_samples(content: memoryview, rate: int) -> NDArray[np.int16] | None:
    """View the samples (T,) of a file that :func:`encode_wav` wrote at this rate; None for any other bytes."""
    size = len(content) - WAV_HEADER.size
    if size < 0 or size % 2 or bytes(content[:WAV_HEADER.size]) != _wav_header(rate, size):
        return None
    return np.frombuffer(content, "<i2", offset=WAV_HEADER.size)


def _check_full_scale(waveform: Waveform) -> None:
    if not np.abs(waveform.samples).max(initial=0.0) <= 1:
        raise ValueError("samples must lie in [-1, 1]")


def _wav_header(rate: int, size: int) -> bytes:
    return WAV_HEADER.pack(b"RIFF", size + WAV_HEADER.size - 8, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16,
                           b"data", size)


def _check_not_empty(file: BinaryIO, name: str) -> None:
    if not file.read(1):
        raise RecordingRejected(name=name, rule="hold audio", value="an empty file",
                                action="Replace the file or remove its row.")
    file.seek(0)


def _span(sound: soundfile.SoundFile, name: str, start_s: float, end_s: float | None) -> tuple[int, int]:
    """First frame and number of frames between two times."""
    first = round(start_s * sound.samplerate)
    last = sound.frames if end_s is None else round(end_s * sound.samplerate)
    # segment tables round their times, so an end up to 10 ms behind the last frame is the last frame
    if sound.frames < last <= sound.frames + sound.samplerate // 100:
        last = sound.frames
    if not 0 <= first < last <= sound.frames and (first, last) != (0, 0):
        raise RecordingRejected(name=name, rule=f"lie within the file's {sound.frames / sound.samplerate:.2f} s",
                                value=f"{start_s:g} s to {'its end' if end_s is None else f'{end_s:g} s'}",
                                action="Correct the start and end that the corpus declares.")
    return first, last - first
