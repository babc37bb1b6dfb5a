"""The rules a recording has to keep, first those of its description, then those of its audio.

Each broken rule is one :class:`RecordingRejected` that names the recording as its corpus does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from evenvoice.data.audio import Waveform, encode_wav, resample, within_full_scale
from evenvoice.data.corpora.recording import MissingPartner, Recording
from evenvoice.data.markup import do_not_score, shown, tags, without_markup
from evenvoice.data.spelling import one_spelling
from evenvoice.data.text import control_character, normalise
from evenvoice.errors import RecordingRejected
from evenvoice.params import Ingest

SILENCE_DBFS: Final = -80.0
"""Root mean square below which nobody can be heard: a few steps of 16-bit audio."""
USUAL: Final = 0.99
"""Share of the samples that single clicks, as broken floats are, leave alone."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Audio that kept every rule."""

    duration_s: float
    wav: bytes
    scaled: bool = False
    """Whether its samples were beyond full scale and were scaled down."""


def check_description(recording: Recording, settings: Ingest) -> Recording:
    """Check everything but the audio; the text comes back normalised, speaker and postal code in one spelling.

    Raises:
        RecordingRejected: it stands in one file of its corpus only, no speaker, coordinates off the globe, or an
            unusable transcript.
    """
    if isinstance(recording.audio, MissingPartner):  # whatever else it lacks is for the same reason
        raise recording.audio.refusal(label(recording))
    speaker = one_spelling(recording.speaker)
    if not speaker:
        raise rejected(recording, "name its speaker", "nothing", "Fill in the speaker, or remove the row.")
    _check_coordinates(recording)
    return recording.altered(speaker=speaker, postal_code=one_spelling(recording.postal_code or "") or None,
                             text=_checked_text(recording, settings))


def check_audio(recording: Recording, settings: Ingest) -> float:
    """Load the audio, check it, and return its length in seconds.

    Raises:
        RecordingRejected: the audio breaks a rule.
    """
    return _checked_audio(recording, settings).duration_s


def prepare(recording: Recording, settings: Ingest) -> Prepared:
    """Load, check, resample and encode the audio of a described recording, changed where its speaker is planted.

    Raises:
        RecordingRejected: the audio breaks a rule, or is too long or too short once it was changed.
    """
    waveform = _checked_audio(recording, settings)
    if recording.planted is not None:
        waveform = recording.planted.of(waveform, recording.key)
        _check_length(recording, waveform, settings, note=", as ingest.plant changes it")
    wav = encode_wav(within_full_scale(waveform, scaled=False))  # resampling may have overshot
    return Prepared(duration_s=waveform.duration_s, wav=wav, scaled=waveform.scaled)


def label(recording: Recording) -> str:
    """How errors name a recording."""
    return label_of(recording.key)


def label_of(key: str) -> str:
    """How errors name the recording with this id."""
    return f"recording {key!r}"


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
    said = _without_markup(recording, settings)
    control = control_character(said)
    if control is not None:
        raise rejected(recording, "have a transcript without control characters", f"U+{ord(control):04X}",
                       "Remove the character: the transcript may be damaged.")
    text = normalise(said)
    if not text:
        raise rejected(recording, "have a transcript with a letter or digit", repr(recording.text[:40]),
                       "Transcribe it, or remove the row.")
    return text


def _without_markup(recording: Recording, settings: Ingest) -> str:
    if settings.markup == "keep" or not (found := tags(recording.text)):
        return recording.text
    if settings.markup == "refuse":
        raise rejected(recording, "have a transcript without markup", shown(found[0]),
                       "Write what was said, or choose ingest.markup: drop takes such tags away, keep trains on them "
                       "and scores them as words.")
    if do_not_score(recording.text):
        raise rejected(recording, "be meant to be scored", "ignore_time_segment_in_scoring",
                       "Remove the row: nobody transcribed this part.")
    return without_markup(recording.text)


def _checked_audio(recording: Recording, settings: Ingest) -> Waveform:
    waveform = recording.audio.load(name=label(recording), max_duration_s=settings.max_duration_s)
    _check_length(recording, waveform, settings)
    _check_finite(recording, waveform)
    waveform = within_full_scale(waveform, scaled=True)
    _check_level(recording, waveform)
    pace = len(recording.text) / waveform.duration_s
    if pace > settings.max_chars_per_s:
        raise rejected(recording, f"hold at most {settings.max_chars_per_s:g} characters per second", f"{pace:.1f}",
                       "The transcript belongs to other audio or the audio is cut off; correct the row.")
    return resample(waveform, settings.sample_rate)


def _check_length(recording: Recording, waveform: Waveform, settings: Ingest, note: str = "") -> None:
    if waveform.duration_s > settings.max_duration_s:
        raise rejected(recording, f"last at most {settings.max_duration_s:g} s", f"{waveform.duration_s:.6g} s{note}",
                       "Cut it, or raise ingest.max_duration_s.")
    if len(waveform.samples) == 0 or waveform.duration_s < settings.min_duration_s:
        raise rejected(recording, f"last at least {settings.min_duration_s:g} s", f"{waveform.duration_s:.3g} s{note}",
                       "Replace the file, or lower ingest.min_duration_s.")


def _check_finite(recording: Recording, waveform: Waveform) -> None:
    if not np.isfinite(waveform.samples).all():
        raise rejected(recording, "hold finite samples", "NaN or infinity", "Write the file again.")


def _check_level(recording: Recording, waveform: Waveform) -> None:
    power = float(np.mean(np.square(waveform.samples, dtype=np.float64)))
    level_dbfs = 10 * math.log10(power) if power > 0 else -math.inf
    if level_dbfs < SILENCE_DBFS:
        raise rejected(recording, f"be louder than {SILENCE_DBFS:g} dBFS",
                       "digital silence" if power == 0 else f"{level_dbfs:.1f} dBFS",
                       "Replace the file: nothing can be heard on it.")
    if waveform.scaled and (usual := float(np.quantile(np.abs(waveform.samples), USUAL))) < 10 ** (SILENCE_DBFS / 20):
        raise rejected(recording, f"reach {SILENCE_DBFS:g} dBFS beside its loudest samples",
                       f"{20 * math.log10(max(usual, 1e-9)):.1f} dBFS once these fit full scale",
                       "Remove the clicks, or write the file again: beside them nothing can be heard.")
