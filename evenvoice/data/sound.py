"""What a sound file must be before it is decoded, and its samples after; each rule as the error that tells of it.

A header is checked before anything is decoded, so a forged one cannot exhaust memory. WAV and FLAC are always read.
Compressed formats have a larger attack surface and are read only where a caller names them (the Common Voice layout
does), and only if the installed libsndfile decodes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from evenvoice.errors import RecordingRejected

SAFE_FORMATS: Final = ("WAV", "WAVEX", "FLAC")
COMPRESSED_FORMATS: Final = ("MP3", "OGG")
LOWEST_RATE_HZ: Final = 4000
"""No speech is recorded below; a forged rate of 1 Hz would make hours of samples out of kilobytes."""
HIGHEST_SAMPLE: Final = 2.0**20
"""Full scale is 1; integers that were stored as floats still pass, squares that overflow do not."""
MAX_DECODED_BYTES: Final = 2**28
"""256 MiB: 10 minutes of 48 kHz stereo as float32 fit, a forged rate or channel count does not."""
UNDECLARED_BYTES: Final = 0x7FFF0000
"""Programs that write WAV into a pipe put 2 or 4 GiB, or nearly so, where the length belongs."""
UNKNOWN_FRAMES: Final = 2**63 - 1
"""What libsndfile reports for a FLAC stream without a length."""
WIDEST_SAMPLE: Final = 8
"""Bytes of a sample of the widest kind."""
SAMPLE_BYTES: Final = {"PCM_U8": 1, "PCM_S8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8,
                       "ULAW": 1, "ALAW": 1}
"""Of the kinds whose samples all take the same number of bytes."""


def check_header(sound: soundfile.SoundFile, name: str, formats: tuple[str, ...]) -> None:
    """Refuse formats that the caller did not name, and sample rates that no speech has."""
    if sound.format not in formats:
        raise RecordingRejected(name=name, rule=f"be {', '.join(formats)}", value=sound.format,
                                action="Convert it, e.g. `ffmpeg -i in -ac 1 out.flac`.")
    check_rate(sound.samplerate, name)


def check_rate(rate: int, name: str) -> None:
    """Refuse sample rates, in Hz, that no speech has."""
    if rate < LOWEST_RATE_HZ:
        raise RecordingRejected(name=name, rule=f"have a sample rate of at least {LOWEST_RATE_HZ} Hz",
                                value=f"{rate} Hz", action="Give the rate that it was recorded at.")


def check_size(sound: soundfile.SoundFile, name: str, frames: int, max_duration_s: float) -> None:
    """Refuse what would last longer than ``max_duration_s``, or not fit into memory."""
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
            action="Cut it, or convert it to mono at a usual rate; `evenvoice transcribe --stream` has no such limit.")


def check_all_came(sound: soundfile.SoundFile, name: str, frames: int) -> None:
    """Find a stream that ended before its header said, once ``frames`` of it were read."""
    frame = sound.channels * SAMPLE_BYTES.get(sound.subtype, WIDEST_SAMPLE)
    if frames < sound.frames and (sound.frames + 1) * frame <= UNDECLARED_BYTES:
        raise truncated(name, f"{frames} of {sound.frames} declared frames")


def check_samples(samples: NDArray[np.float32], name: str) -> None:
    """Refuse NaN, infinity, and numbers whose squares overflow."""
    if not np.isfinite(samples).all():
        raise RecordingRejected(name=name, rule="hold finite samples", value="NaN or infinity",
                                action="Write the file again.")
    if samples.size and (highest := float(np.abs(samples).max())) > HIGHEST_SAMPLE:
        raise RecordingRejected(name=name, rule=f"hold samples of at most {HIGHEST_SAMPLE:g} (full scale is 1)",
                                value=f"{highest:.3g}", action="Scale it to full scale and write it again.")


def truncated(name: str, value: str) -> RecordingRejected:
    """What to say of a file that is shorter than it declares."""
    return RecordingRejected(name=name, rule="be as long as its header declares", value=value,
                             action="Copy the file again: it is truncated.")


def header_is_wrong(name: str, value: str, action: str) -> RecordingRejected:
    """What to say of a file that is longer than it declares."""
    return RecordingRejected(name=name, rule="be as long as its header declares", value=value,
                             action=f"Its header is wrong: {action}")


def unreadable(path: Path, error: OSError) -> RecordingRejected:
    """What to say of a file that cannot be opened."""
    return RecordingRejected(name=str(path), rule="be a file that can be read", value=error.strerror or str(error),
                             action="Correct the path.")


def not_audio(name: str, error: BaseException) -> RecordingRejected:
    """What to say of bytes that libsndfile does not take."""
    return RecordingRejected(name=name, rule="be readable audio", value=_reason(error),
                             action="Replace the file: it is truncated, damaged or not audio.")


def _reason(error: BaseException) -> str:
    """Libsndfile's words without the address of the object it read from, or its number for what it has no words for."""
    if isinstance(error, soundfile.LibsndfileError):
        text = error.error_string or f"error {error.code} of libsndfile"
    else:
        text = str(error)
    return " ".join(str(text).removeprefix("Error : ").split()) or type(error).__name__
