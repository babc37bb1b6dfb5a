"""Log-mel features: one implementation for training and serving, and the stage that computes them for a corpus.

Frame t depends on samples [t * hop, t * hop + window) and on nothing else: no padding in front, no statistics over
the recording. So frames can be computed while speech is still coming in, and are the same.

Letters: F frames, W samples of a window, K frequency bins, M mel bands.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from evenvoice.errors import ParamsError
from evenvoice.params import Featurize

FLOOR = 1e-8
"""Least power of a band: about what rounding to 16 bits leaves in one, so digital silence looks like real silence."""
FRAMES_AT_ONCE = 256
"""Frames computed together: few enough that their windows and spectra stay in the processor's cache."""


class LogMel:
    """Natural logarithm of the power in ``n_mels`` triangular mel bands of each frame.

    Args:
        settings: window, hop and bands.
        sample_rate: of all samples given later, in Hz.

    Raises:
        ParamsError: bands that reach beyond half the sample rate, or a hop longer than the window.
    """

    def __init__(self, settings: Featurize, sample_rate: int) -> None:
        self.n_mels = settings.n_mels
        self.sample_rate = sample_rate
        self.window = round(settings.window_ms * sample_rate / 1000)
        self.hop = round(settings.hop_ms * sample_rate / 1000)
        _check(settings, sample_rate, self.hop)
        self._taper_W = _hann(self.window)
        self._transform, self._bands_KM = _resolved_filterbank(settings, sample_rate, self.window)

    def frames(self, samples: int) -> int:
        """Frames of a recording: whole windows only, but at least one."""
        return max(1, 1 + (samples - self.window) // self.hop)

    def __call__(self, samples_T: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features (frames, n_mels) of samples in [-1, 1].

        What is left over behind the last whole window is not used. A recording shorter than one window is padded
        with silence to exactly one, so that nothing that passed ingest has no frames.
        """
        samples_T = np.ascontiguousarray(samples_T, dtype=np.float32)
        if len(samples_T) < self.window:
            samples_T = np.pad(samples_T, (0, self.window - len(samples_T)))
        windows_FW = np.lib.stride_tricks.sliding_window_view(samples_T, self.window)[:: self.hop]
        features_FM = np.empty((len(windows_FW), self.n_mels), np.float32)
        padded_FW = np.zeros((min(FRAMES_AT_ONCE, len(windows_FW)), self._transform), np.float32)
        for start in range(0, len(windows_FW), FRAMES_AT_ONCE):
            self._fill(features_FM[start:start + FRAMES_AT_ONCE], windows_FW[start:start + FRAMES_AT_ONCE], padded_FW)
        return features_FM

    def _fill(self, features_FM: NDArray[np.float32], windows_FW: NDArray[np.float32],
              padded_FW: NDArray[np.float32]) -> None:
        padded_FW = padded_FW[:len(windows_FW)]
        np.multiply(windows_FW, self._taper_W, out=padded_FW[:, :self.window])
        parts_FK = fft.rfft(padded_FW, axis=1).view(np.float32)  # real and imaginary parts in turn
        np.square(parts_FK, out=parts_FK)
        np.matmul(parts_FK[:, ::2] + parts_FK[:, 1::2], self._bands_KM, out=features_FM)
        np.maximum(features_FM, FLOOR, out=features_FM)
        np.log(features_FM, out=features_FM)


def _check(settings: Featurize, sample_rate: int, hop: int) -> None:
    if not settings.low_hz < settings.high_hz <= sample_rate / 2:
        raise ParamsError(name="featurize.high_hz", rule=f"be above low_hz ({settings.low_hz:g}) and at most half the "
                          f"sample rate ({sample_rate / 2:g} Hz)", value=f"{settings.high_hz:g}",
                          action="Lower featurize.high_hz, or raise ingest.sample_rate.")
    if not (hop >= 1 and settings.hop_ms <= settings.window_ms):
        raise ParamsError(name="featurize.hop_ms", rule=f"be at least one sample ({1000 / sample_rate:g} ms) and at "
                          f"most window_ms ({settings.window_ms:g})", value=f"{settings.hop_ms:g}",
                          action="Correct featurize.hop_ms.")


def _hann(window: int) -> NDArray[np.float32]:
    """Periodic Hann window: 0.5 - 0.5 cos(2 pi n / W)."""
    taper: NDArray[np.float32] = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)
    return taper


def _resolved_filterbank(settings: Featurize, sample_rate: int, window: int) -> tuple[int, NDArray[np.float32]]:
    """The shortest power-of-two transform of a window that leaves no band without a bin, and its filters (K, M)."""
    transform = 1 << (window - 1).bit_length()
    while True:
        bands_KM = mel_filterbank(settings.n_mels, settings.low_hz, settings.high_hz, transform=transform,
                                  sample_rate=sample_rate)
        if bands_KM.any(axis=0).all():
            return transform, bands_KM
        transform *= 2


def mel_filterbank(n_mels: int, low_hz: float, high_hz: float, *, transform: int,
                   sample_rate: int) -> NDArray[np.float32]:
    """Triangular filters (transform // 2 + 1, n_mels), their corners equally spaced on the mel scale, their peaks 1.

    Mel scale as in The HTK Book 3.4, section 5.6: mel = 2595 log10(1 + Hz / 700); the triangles' sides are straight in
    mel.
    """
    corners = np.linspace(_mel(low_hz), _mel(high_hz), n_mels + 2)
    left_M, centre_M, right_M = corners[:-2], corners[1:-1], corners[2:]
    mel_K1 = _mel(np.arange(transform // 2 + 1) * (sample_rate / transform))[:, None]
    rising_KM, falling_KM = (mel_K1 - left_M) / (centre_M - left_M), (right_M - mel_K1) / (right_M - centre_M)
    bands_KM: NDArray[np.float32] = np.maximum(0, np.minimum(rising_KM, falling_KM)).astype(np.float32)
    return bands_KM


def _mel(hz: ArrayLike) -> NDArray[np.float64]:
    mel: NDArray[np.float64] = 2595 * np.log10(1 + np.asarray(hz, dtype=np.float64) / 700)
    return mel
