"""Fixed changes of a voice or of how it is recorded, by a strength of which 0 changes nothing.

Each does one thing and leaves the rest as it was: the pitch and formants of a voice, its pace, the band that is heard,
the noise beside it. Loudness stays, so that it tells nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from evenvoice.data.audio import Waveform

Signal = NDArray[np.float64]
HOP_S: Final = 0.02
"""Step of the overlap-add; its windows are twice as long, which holds two periods of the lowest voices."""
REACH_S: Final = 0.0125
"""How far a window may move to fit the one before it: a period of 80 Hz."""
BAND_ORDER: Final = 12
"""Of the low-pass: 72 dB per octave."""

SMOOTHED_HZ: Final = 200.0
"""Width over which the spectrum of noise is averaged, so that it has no pitch."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to every recording of one speaker; small, picklable, the same bytes in whichever process."""

    transform: str
    """``none`` or one of TRANSFORMS."""
    strength: float
    """What it means stands with the transform; at 0 nothing is done."""
    seed: int
    """Of the noise, together with the key of the recording."""

    def of(self, waveform: Waveform, key: str) -> Waveform:
        """The recording of this key, changed, at the same root mean square; the same object where nothing is done.

        Samples may come to lie beyond full scale.
        """
        if self.strength == 0 or not waveform.samples.any():
            return waveform
        before = waveform.samples.astype(np.float64)
        drawn = hashlib.sha256(f"{self.seed}\0{key}".encode("utf-8", "surrogatepass")).digest()
        rng = np.random.default_rng(int.from_bytes(drawn))
        after = TRANSFORMS[self.transform](before, waveform.rate, self.strength, rng)
        level = _rms(before) / max(_rms(after), np.finfo(np.float64).tiny)
        return replace(waveform, samples=(after * level).astype(np.float32))


def formants(samples: Signal, rate: int, strength: float, _: np.random.Generator) -> Signal:
    """Lengthen the vocal tract by the share ``strength``: formants and pitch are divided by 1 + strength.

    Played slower by resampling, then brought back to the pace and length that it had: (T,) to (T,).
    """
    slower = soxr.resample(samples, rate / (1 + strength), rate)
    return _paced(slower, rate, len(samples)) if len(slower) else samples


def speed(samples: Signal, rate: int, strength: float, _: np.random.Generator) -> Signal:
    """Speak faster by the share ``strength``; pitch and formants stay: (T,) to (T / (1 + strength),)."""
    return _paced(samples, rate, max(1, round(len(samples) / (1 + strength))))


def band(samples: Signal, rate: int, strength: float, _: np.random.Generator) -> Signal:
    """Take the upper share ``strength`` of the band away: half of the power is left at (1 - strength) * rate / 2.

    A Butterworth response without delay: (T,) to (T,).
    """
    cut = (1 - strength) * rate / 2
    response = 1 / np.sqrt(1 + (np.fft.rfftfreq(len(samples), 1 / rate) / cut) ** (2 * BAND_ORDER))
    return np.fft.irfft(np.fft.rfft(samples) * response, len(samples))


def noise(samples: Signal, rate: int, strength: float, rng: np.random.Generator) -> Signal:
    """Add steady noise of ``strength`` times the amplitude (root mean square): the SNR is -20 log10(strength) dB.

    The noise has the recording's own spectrum, smoothed, at random phases, so wider bands have this SNR: (T,) to (T,).
    """
    power = _smoothed(np.abs(np.fft.rfft(samples)) ** 2, round(SMOOTHED_HZ * len(samples) / rate))
    added = np.fft.irfft(np.sqrt(power) * np.exp(2j * np.pi * rng.random(len(power))), len(samples))
    return samples + added * (strength * _rms(samples) / max(_rms(added), np.finfo(np.float64).tiny))


TRANSFORMS: Final[dict[str, Callable[[Signal, int, float, np.random.Generator], Signal]]] = {
    "formants": formants, "speed": speed, "band": band, "noise": noise}
"""By their names in ``ingest.plant.transform``."""


def _paced(samples: Signal, rate: int, length: int) -> Signal:
    """The same speech in ``length`` samples, pitch and formants untouched.

    Overlap-add of windows that each begin where they continue the one before best: WSOLA, Verhelst and Roelands (1993).
    """
    hop, reach = round(HOP_S * rate), round(REACH_S * rate)
    window = np.hanning(2 * hop + 1)[:-1]
    margin = 3 * len(window) + reach
    padded, pace = np.pad(samples, margin), len(samples) / length
    frames = math.ceil(length / hop) + 1
    heard = np.zeros((frames + 1) * hop)
    start = margin - hop
    for number in range(frames):
        if number:
            first = margin - hop + round(number * hop * pace) - reach
            follows = padded[start + hop:start + hop + len(window)]
            start = first + _most_alike(padded[first:first + len(window) + 2 * reach], follows)
        heard[number * hop:number * hop + len(window)] += window * padded[start:start + len(window)]
    return heard[hop:hop + length]


def _most_alike(region: Signal, wanted: Signal) -> int:
    """Where in ``region`` the samples differ least from ``wanted``, by the sum of squares."""
    energy = np.cumsum(np.concatenate([[0.0], region**2]))
    differences = energy[len(wanted):] - energy[:-len(wanted)] - 2 * np.correlate(region, wanted, "valid")
    return int(np.argmin(differences))


def _smoothed(power: Signal, width: int) -> Signal:
    """Averages over ``width`` bins, fewer at both ends."""
    sums = np.concatenate([[0.0], np.cumsum(power)])
    bins = np.arange(len(power))
    first, last = np.maximum(bins - width // 2, 0), np.minimum(bins + width // 2 + 1, len(power))
    averages: Signal = np.maximum(sums[last] - sums[first], 0) / (last - first)
    return averages


def _rms(samples: Signal) -> float:
    return math.sqrt(float(np.mean(np.square(samples))))
