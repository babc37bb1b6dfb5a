"""The rules a recording has to keep, first those of its description, then those of its audio.

Each broken rule is one :class:`RecordingRejected` that names the recording as its corpus does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from evenvoice.data.audio import Waveform, encode_wav, resample
from evenvoice.data.corpora.recording import Recording
from evenvoice.data.text import control_character, normalise
from evenvoice.errors import RecordingRejected
from evenvoice.params import Ingest

SILENCE_DBFS: Final = -80.0
"""Root mean square below which nobody can be heard: a few steps of 16-bit audio."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Audio that kept every rule."""

    duration_s: float
    wav: bytes


def check_description(recording: Recording, settings: Ingest) -> Recording:
    """Check everything but the audio; the text comes back normalised.

    Raises:
        RecordingRejected: no speaker, coordinates off the globe, or an unusable transcript.
    """
    if not recording.speaker:
        raise rejected(recording, "name its speaker", "nothing", "Fill in the speaker, or remove the row.")
    _check_coordinates(recording)
    return replace(recording, text=_checked_text(recording, settings))


def check_audio(recording: Recording, settings: Ingest) -> float:
    """Load the audio, check it, and return its length in seconds.

    Raises:
        RecordingRejected: the audio breaks a rule.
    """
    return _checked_audio(recording, settings).duration_s


def prepare(recording: Recording, settings: Ingest) -> Prepared:
    """Load, check, resample and encode the audio of a described recording.

    Raises:
        RecordingRejected: the audio breaks a rule.
    """
    waveform = _checked_audio(recording, settings)
    return Prepared(duration_s=waveform.duration_s, wav=encode_wav(waveform))


def label(recording: Recording) -> str:
    """How errors name a recording."""
    return f"recording {recording.key!r}"


def rejected(recording: Recording, rule: str, value: object, action: str) -> RecordingRejected:
    """Build the rejection of one recording."""
    return RecordingRejected(name=label(recording), rule=rule, value=value, action=action)


def _check_coordinates(recording: Recording) -> None:
    if (recording.lat is None) != (recording.lon is None):
        raise rejected(recording, "have both latitude and longitude, or neither", "one of them",
                       "Fill in the other, or clear both.")
    for name, value, limit in (("latitude", recording.lat, 90), ("longitude", recording.lon, 180)):
        if value is not None and not -limit <= value <= limit:
            raise rejected(recording, f"have a {name} between -{limit} and {limit}", f"{value:g}",
                           "Correct it, or clear both coordinates.")


def _checked_text(recording: Recording, settings: Ingest) -> str:
    if not recording.text.strip():
        raise rejected(recording, "have a transcript", "none", "Transcribe it, or remove the row.")
    if len(recording.text) > settings.max_transcript_chars:
        raise rejected(recording, f"have a transcript of at most {settings.max_transcript_chars} characters",
                       len(recording.text), "Cut the recording, or raise ingest.max_transcript_chars.")
    control = control_character(recording.text)
    if control is not None:
        raise rejected(recording, "have a transcript without control characters", f"U+{ord(control):04X}",
                       "Remove the character: the transcript may be damaged.")
    text = normalise(recording.text)
    if not text:
        raise rejected(recording, "have a transcript with a letter or digit", repr(recording.text[:40]),
                       "Transcribe it, or remove the row.")
    return text


def _checked_audio(recording: Recording, settings: Ingest) -> Waveform:
    waveform = recording.audio.load(name=label(recording), max_duration_s=settings.max_duration_s)
    _check_length(recording, waveform, settings)
    _check_level(recording, waveform)
    pace = len(recording.text) / waveform.duration_s
    if pace > settings.max_chars_per_s:
        raise rejected(recording, f"hold at most {settings.max_chars_per_s:g} characters per second", f"{pace:.1f}",
                       "The transcript belongs to other audio or the audio is cut off; correct the row.")
    return resample(waveform, settings.sample_rate)


def _check_length(recording: Recording, waveform: Waveform, settings: Ingest) -> None:
    if waveform.duration_s > settings.max_duration_s:
        raise rejected(recording, f"last at most {settings.max_duration_s:g} s", f"{waveform.duration_s:.6g} s",
                       "Cut it, or raise ingest.max_duration_s.")
    if len(waveform.samples) == 0 or waveform.duration_s < settings.min_duration_s:
        raise rejected(recording, f"last at least {settings.min_duration_s:g} s", f"{waveform.duration_s:.3g} s",
                       "Replace the file, or lower ingest.min_duration_s.")


def _check_level(recording: Recording, waveform: Waveform) -> None:
    if not np.isfinite(waveform.samples).all():
        raise rejected(recording, "hold finite samples", "NaN or infinity", "Write the file again.")
    power = float(np.mean(np.square(waveform.samples, dtype=np.float64)))
    level_dbfs = 10 * math.log10(power) if power > 0 else -math.inf
    if level_dbfs < SILENCE_DBFS:
        raise rejected(recording, f"be louder than {SILENCE_DBFS:g} dBFS",
                       "digital silence" if power == 0 else f"{level_dbfs:.1f} dBFS",
                       "Replace the file: nothing can be heard on it.")
