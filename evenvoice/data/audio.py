"""Audio in and out: hostile bytes to mono samples, resampling, FLAC and WAV.

What a file's header declares is checked before anything is decoded, so a forged header cannot exhaust memory.
WAV and FLAC are always read. Compressed formats have a larger attack surface and are read only where a caller names
them (the Common Voice layout does), and only if the installed libsndfile decodes them.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from evenvoice.errors import RecordingRejected

SAFE_FORMATS: Final = ("WAV", "WAVEX", "FLAC")
COMPRESSED_FORMATS: Final = ("MP3", "OGG")
MAX_DECODED_BYTES: Final = 2**28
"""256 MiB: 10 minutes of 48 kHz stereo as float32 fit, a forged rate or channel count does not."""
UNDECLARED_LENGTH: Final = 0xFFFFFFFF
"""What programs that write WAV into a pipe put where the length belongs."""

UNKNOWN_FRAMES: Final = 2**63 - 1
"""What libsndfile reports for a FLAC stream without a length."""
WAV_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")
"""RIFF, one format chunk (PCM, 1 channel, 16 bits) and the head of one data chunk: IBM and Microsoft (1991)."""


@dataclass(frozen=True, slots=True)
class Waveform:
    """Mono samples in [-1, 1]."""

    samples: NDArray[np.float32]
    """Shape (T,)."""
    rate: int
    """Samples per second."""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate


def decode(content: bytes | memoryview, *, name: str, max_duration_s: float) -> Waveform:
    """Decode a whole WAV or FLAC file; channels are averaged.

    Raises:
        RecordingRejected: empty, truncated, not audio, another format, or longer than ``max_duration_s``.
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
        with soundfile.SoundFile(file) as sound:
            _check_format(sound, name, formats)
            first, count = _span(sound, name, start_s, end_s)
            _check_size(sound, name, count, max_duration_s)
            _check_riff_is_whole(file, sound, name)
            sound.seek(first)
            samples = sound.read(count, dtype="float32", always_2d=True)
            rate = int(sound.samplerate)
    except (soundfile.SoundFileError, ValueError, OverflowError, OSError) as error:
        raise RecordingRejected(name=name, rule="be readable audio", value=_reason(error),
                                action="Replace the file: it is truncated, damaged or not audio.") from error
    if len(samples) != count:
        raise _truncated(name, f"{len(samples)} of {count} declared frames")
    return Waveform(samples=samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1), rate=rate)


def resample(waveform: Waveform, rate: int) -> Waveform:
    """Resample with soxr (high quality, linear phase); the same object comes back when nothing is to do."""
    if waveform.rate == rate:
        return waveform
    return Waveform(samples=soxr.resample(waveform.samples, waveform.rate, rate), rate=rate)


def encode_flac(waveform: Waveform) -> bytes:
    """Encode as 16-bit FLAC; soundfile clips samples beyond [-1, 1]."""
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform.samples, waveform.rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def encode_wav(waveform: Waveform) -> bytes:
    """Encode as 16-bit WAV, whose bytes :func:`wav_samples` takes as they are; samples beyond [-1, 1] are clipped."""
    samples = np.rint(waveform.samples * np.float32(2**15)).clip(-2**15, 2**15 - 1).astype("<i2")
    return b"".join((_wav_header(waveform.rate, samples.nbytes), samples.tobytes()))


def wav_samples(content: memoryview, rate: int) -> NDArray[np.int16] | None:
    """View the samples (T,) of a file that :func:`encode_wav` wrote at this rate; None for any other bytes."""
    size = len(content) - WAV_HEADER.size
    if size < 0 or size % 2 or bytes(content[:WAV_HEADER.size]) != _wav_header(rate, size):
        return None
    return np.frombuffer(content, "<i2", offset=WAV_HEADER.size)


def _wav_header(rate: int, size: int) -> bytes:
    return WAV_HEADER.pack(b"RIFF", size + WAV_HEADER.size - 8, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16,
                           b"data", size)


def _check_not_empty(file: BinaryIO, name: str) -> None:
    if not file.read(1):
        raise RecordingRejected(name=name, rule="hold audio", value="an empty file",
                                action="Replace the file or remove its row.")
    file.seek(0)


def _check_format(sound: soundfile.SoundFile, name: str, formats: tuple[str, ...]) -> None:
    if sound.format not in formats:
        raise RecordingRejected(name=name, rule=f"be {', '.join(formats)}", value=sound.format,
                                action="Convert it, e.g. `ffmpeg -i in -ac 1 out.flac`.")


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


def _check_size(sound: soundfile.SoundFile, name: str, frames: int, max_duration_s: float) -> None:
    if sound.frames == UNKNOWN_FRAMES:
        raise RecordingRejected(name=name, rule="declare its length in its header", value="an unknown length",
                                action="Write it again to a file rather than through a pipe, e.g. with ffmpeg.")
    duration_s = frames / sound.samplerate
    if duration_s > max_duration_s:
        raise RecordingRejected(name=name, rule=f"last at most {max_duration_s:g} s", value=f"{duration_s:.6g} s",
                                action="Cut it, or raise ingest.max_duration_s.")
    size = frames * sound.channels * 4
    if size > MAX_DECODED_BYTES:
        raise RecordingRejected(
            name=name, rule=f"decode into at most {MAX_DECODED_BYTES >> 20} MiB",
            value=f"{size >> 20} MiB ({sound.samplerate} Hz x {sound.channels} channels x {duration_s:.6g} s)",
            action="Convert it to mono at a usual sample rate.")


def _check_riff_is_whole(file: BinaryIO, sound: soundfile.SoundFile, name: str) -> None:
    """Find a WAV file that ends before its data chunk does: libsndfile shortens such a file without a word."""
    if sound.format not in ("WAV", "WAVEX"):
        return
    position = file.tell()
    declared, available = _riff_data(file)
    file.seek(position)
    if declared > available and declared != UNDECLARED_LENGTH:
        raise _truncated(name, f"{available} of {declared} declared bytes")


def _riff_data(file: BinaryIO) -> tuple[int, int]:
    """Declared and available bytes of the data chunk of a RIFF or RIFX file."""
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    order = "big" if file.read(4) == b"RIFX" else "little"
    at = 12
    while at + 8 <= end:
        file.seek(at)
        kind, size = file.read(4), int.from_bytes(file.read(4), order)  # type: ignore[arg-type]
        if kind == b"data":
            return size, end - at - 8
        at += 8 + size + size % 2
    return 0, 0


def _truncated(name: str, value: str) -> RecordingRejected:
    return RecordingRejected(name=name, rule="be as long as its header declares", value=value,
                             action="Copy the file again: it is truncated.")


def _reason(error: BaseException) -> str:
    """Libsndfile's words without the address of the object it read from."""
    text = getattr(error, "error_string", None) or str(error)
    return " ".join(str(text).removeprefix("Error : ").split()) or type(error).__name__
