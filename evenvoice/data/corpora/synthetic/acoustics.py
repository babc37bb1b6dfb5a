"""From dry speech to a recording: room, background, band limit and level, all in one pass through the spectrum.

The room is the usual textbook one (Polack 1988): direct sound, then noise that decays exponentially.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float32]
Spectrum = NDArray[np.complex64]

SNR_BAND_HZ: Final = (200.0, 4000.0)
"""SNR is counted here, so that rumble which no recogniser minds does not flatter it."""
_FIRST_REFLECTION_S = 0.003
_DECAY_60_DB = 3 * np.log(10)
_LOW_ORDER, _HIGH_ORDER = 4, 12
_MAINS_HZ = 60.0
_MAINS_HARMONICS = 40
_SYLLABLES_PER_S = 8.0
_SYLLABLE_SPREAD = 0.7
_PEAK = 0.95
_BLOCK = 8192
"""Transforms are multiples of this long, which keeps their prime factors small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where and how something is recorded."""

    noise: str
    """pink, babble or hum."""
    snr_db: float
    """Speech over background in SNR_BAND_HZ; infinite for none."""
    rt60_s: float
    """Time in which reverberation falls by 60 dB; 0 for none."""
    direct_to_reverberant_db: float
    """Energy of the direct sound over that of the reverberation; infinite for none."""
    low_hz: float
    high_hz: float
    """The band that the line or the microphone lets through."""
    level_dbfs: float
    """Root mean square of the speech; peaks are kept below full scale all the same."""
    lead_s: float
    """Background before the speech."""
    tail_s: float
    """Background after it."""


def record(dry: Signal, rate: int, scene: Scene, *, room: np.random.Generator,
           background: np.random.Generator) -> Signal:
    """Return ``dry`` (T,) as heard in ``scene``: (lead + T + tail,) float32.

    ``room`` draws the reflections, the same for every recording of a speaker; ``background`` draws the noise.
    """
    lead, tail = round(scene.lead_s * rate), round(scene.tail_s * rate)
    reflections = _reflections(scene, rate, room)
    length = lead + len(dry) + tail
    size = -(-(length + len(reflections)) // _BLOCK) * _BLOCK
    frequencies = np.fft.rfftfreq(size, 1 / rate).astype(np.float32)

    padded = np.zeros(size, np.float32)
    padded[lead:lead + len(dry)] = dry
    speech = _transform(padded, size) * (1 + _transform(reflections, size))
    noise = _background(scene.noise, size, rate, frequencies, background)
    gain = _noise_gain(speech, noise, frequencies, scene.snr_db, speech_share=len(dry) / size)
    band = _band(frequencies, scene.low_hz, scene.high_hz)
    heard = np.fft.irfft((speech + gain * noise) * band, size).astype(np.float32, copy=False)
    return _levelled(heard[:length], scene.level_dbfs, speech_rms=_rms(speech * band, size, len(dry)))


def _transform(signal: Signal, size: int) -> Spectrum:
    """Return the one-sided spectrum of a signal, zero-padded to ``size``; numpy stays in single precision."""
    return np.fft.rfft(signal, size).astype(np.complex64, copy=False)


def _reflections(scene: Scene, rate: int, rng: np.random.Generator) -> Signal:
    """Return the reverberant part of the room's impulse response; the direct sound is the unit impulse at 0."""
    count = round(scene.rt60_s * rate)
    if count == 0 or np.isinf(scene.direct_to_reverberant_db):
        return np.zeros(1, np.float32)
    decay = np.exp(np.arange(count, dtype=np.float32) * np.float32(-_DECAY_60_DB / count))
    response: Signal = rng.standard_normal(count, np.float32) * decay
    response[:round(_FIRST_REFLECTION_S * rate)] = 0
    energy = max(float(np.dot(response, response)), 1e-12)
    return response * np.float32(math.sqrt(10 ** (-scene.direct_to_reverberant_db / 10) / energy))


def _background(kind: str, size: int, rate: int, frequencies: Signal, rng: np.random.Generator) -> Spectrum:
    """Return the spectrum of ``size`` samples of noise, at any level."""
    if kind == "babble":
        talk = rng.standard_normal(size, np.float32) * _syllables(size, rate, rng)
        falling: Signal = np.float32(1) / np.maximum(frequencies / np.float32(500), np.float32(1))
        return _transform(talk, size) * falling
    white = rng.standard_normal(2 * len(frequencies), np.float32).view(np.complex64)
    pink: Spectrum = white * (np.float32(1) / np.sqrt(np.maximum(frequencies, np.float32(50))))
    return pink + _hum(pink, frequencies, rng) if kind == "hum" else pink


def _syllables(size: int, rate: int, rng: np.random.Generator) -> Signal:
    """Return the envelope of talk: it swells and fades a few times a second."""
    hop = round(rate / _SYLLABLES_PER_S)
    heights = np.exp(rng.normal(0, _SYLLABLE_SPREAD, size // hop + 2)).astype(np.float32)
    ramp = np.arange(hop, dtype=np.float32) / np.float32(hop)
    slopes = heights[:-1, None] + np.diff(heights)[:, None] * ramp
    return slopes.ravel()[:size]


def _hum(pink: Spectrum, frequencies: Signal, rng: np.random.Generator) -> Spectrum:
    """Return mains harmonics with as much energy as ``pink``."""
    hum = np.zeros_like(pink)
    harmonics = np.arange(1, _MAINS_HARMONICS + 1)
    bins = np.searchsorted(frequencies, harmonics * _MAINS_HZ)
    bins = bins[bins < len(frequencies)]
    harmonics = harmonics[:len(bins)]
    hum[bins] = np.exp(2j * np.pi * rng.random(len(bins))) / np.sqrt(harmonics)
    return hum * np.float32(np.sqrt(_energy(pink) / _energy(hum)))


def _noise_gain(speech: Spectrum, noise: Spectrum, frequencies: Signal, snr_db: float, *,
                speech_share: float) -> np.float32:
    """Return the factor that brings ``noise`` to ``snr_db`` below speech, which fills only a share of the time."""
    low, high = np.searchsorted(frequencies, SNR_BAND_HZ)
    speech_power = _energy(speech[low:high]) / speech_share
    return np.float32(np.sqrt(speech_power / _energy(noise[low:high])) * 10 ** (-snr_db / 20))


def _band(frequencies: Signal, low_hz: float, high_hz: float) -> Signal:
    """Return amplitude factors of Butterworth slopes at both ends."""
    above = np.power(np.maximum(frequencies, np.float32(1)) / np.float32(low_hz), np.float32(-2 * _LOW_ORDER))
    below = np.power(frequencies / np.float32(high_hz), np.float32(2 * _HIGH_ORDER))
    response: Signal = np.reciprocal(np.sqrt((1 + above) * (1 + below)), dtype=np.float32)
    return response


def _energy(spectrum: Spectrum) -> float:
    return float(np.vdot(spectrum, spectrum).real)


def _rms(spectrum: Spectrum, size: int, samples: int) -> float:
    """Root mean square over ``samples`` of the signal behind a one-sided spectrum of ``size`` (Parseval)."""
    return float(np.sqrt(2 * _energy(spectrum) / size / samples))


def _levelled(signal: Signal, level_dbfs: float, *, speech_rms: float) -> Signal:
    gain = 10 ** (level_dbfs / 20) / max(speech_rms, 1e-9)
    peak = float(np.abs(signal).max()) * gain
    return signal * np.float32(gain * min(1.0, _PEAK / max(peak, 1e-9)))
