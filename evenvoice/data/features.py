"""Log-mel features: one implementation for training and serving.

Frame t depends on samples [t * hop, t * hop + window) and on nothing else: no padding in front, no statistics over
the recording. So frames can be computed while speech is still coming in, and are the same but for the last bits: a
matrix product may round a row otherwise beside other rows. A recording given whole always gives the same bits.

The Fourier transform is written as two steps of Cooley and Tukey (1965), each a stack of small matrix products, since
numpy's matrix products use the processor's widest instructions where its and scipy's transforms do not.

Letters: F frames, W samples of a window, P phases, R samples of a phase, J pairs of residues, K frequency bins,
M mel bands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evenvoice.errors import ParamsError
from evenvoice.params import Featurize

FLOOR = 1e-8
"""Least power of a band: about what rounding to 16 bits leaves in one, so digital silence looks like real silence."""
FRAMES_AT_ONCE = 128
"""Frames computed together: few enough that their windows and spectra stay in the processor's cache."""
PHASES = 32
"""Samples n of a window with the same n % PHASES are transformed together; measured best of 8, 16 and 32."""


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
        transform, bands_KM = _resolved_filterbank(settings, sample_rate, self.window)
        self._fourier = _Fourier.of(transform, self.window)
        self._bands_KM = bands_KM[self._fourier.bins_K]

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
        scratch = _Scratch.of(self._fourier, min(FRAMES_AT_ONCE, len(windows_FW)))
        for start in range(0, len(windows_FW), FRAMES_AT_ONCE):
            self._fill(features_FM[start:start + FRAMES_AT_ONCE], windows_FW[start:start + FRAMES_AT_ONCE], scratch)
        return features_FM

    def _fill(self, features_FM: NDArray[np.float32], windows_FW: NDArray[np.float32], scratch: _Scratch) -> None:
        scratch = scratch.first(len(windows_FW))
        np.multiply(windows_FW, self._taper_W, out=scratch.padded_FRP[:, :self.window])
        np.matmul(self._fourier.power(scratch), self._bands_KM, out=features_FM)
        np.maximum(features_FM, FLOOR, out=features_FM)
        np.log(features_FM, out=features_FM)


@dataclass(frozen=True)
class _Fourier:
    """Powers of a transform of N real samples, of which all behind the window are zero.

    With n = P r + p and k = j + (N / P) c, X[k] is the sum over p of exp(-2 pi i k p / N) times the sum over r of
    exp(-2 pi i j r P / N) x[n]. The inner sums of residues j and N / P - j are conjugates, so half of them are enough,
    and those of 0 and N / 2P are real and share one pair. Their bins beyond N / 2 mirror bins below it. Bin N / 2 is
    left out: no triangle reaches it.
    """

    inner_JR: NDArray[np.float32]
    """(2 J, R): real and imaginary part of each residue in turn."""
    outer_JPP: NDArray[np.float32]
    """(2, J, 2 P, P): from real and imaginary parts of each phase to the real, then the imaginary parts of bins."""
    bins_K: NDArray[np.int64]
    """(N / 2,) Bins 0 to N / 2 - 1 in the order in which they come out."""

    @classmethod
    def of(cls, transform: int, window: int) -> _Fourier:
        residues, rows = transform // PHASES, -(-window // PHASES)
        pairs = residues // 2
        angle_JR = np.outer(np.arange(pairs), np.arange(rows)) * (2 * np.pi / residues)
        inner_J2R = np.stack([np.cos(angle_JR), -np.sin(angle_JR)], axis=1)
        inner_J2R[0, 1] = np.cos(np.pi * np.arange(rows))  # residue N / 2P, since residue 0 is real
        bins_JP = np.arange(pairs)[:, None] + residues * np.arange(PHASES)
        bins_JP[0, PHASES // 2:] = pairs + residues * np.arange(PHASES // 2)
        turns_JPP = np.exp((-2j * np.pi / transform) * np.arange(PHASES)[:, None] * bins_JP[:, None])
        outer_JPP = np.stack([np.concatenate([turns_JPP.real, -turns_JPP.imag], axis=1),
                              np.concatenate([turns_JPP.imag, turns_JPP.real], axis=1)])
        outer_JPP[:, 0] = 0
        for part, turns_PP in enumerate([turns_JPP[0].real, turns_JPP[0].imag]):
            outer_JPP[part, 0, :PHASES, :PHASES // 2] = turns_PP[:, :PHASES // 2]
            outer_JPP[part, 0, PHASES:, PHASES // 2:] = turns_PP[:, PHASES // 2:]
        return cls(inner_J2R.reshape(-1, rows).astype(np.float32), outer_JPP.astype(np.float32),
                   np.minimum(bins_JP, transform - bins_JP).ravel())

    def power(self, scratch: _Scratch) -> NDArray[np.float32]:
        """Powers (F, K) of the tapered windows in ``scratch``, which they overwrite."""
        frames, (_, pairs, _, _) = len(scratch.padded_FRP), self.outer_JPP.shape
        np.matmul(self.inner_JR, scratch.padded_FRP.reshape(frames, -1, PHASES), out=scratch.inner_FJP)
        inner_JFP = scratch.inner_FJP.reshape(frames, pairs, 2 * PHASES).transpose(1, 0, 2)
        np.matmul(inner_JFP, self.outer_JPP, out=scratch.parts_FJP.transpose(0, 2, 1, 3))
        np.square(scratch.parts_FJP, out=scratch.parts_FJP)
        power_FJP, imaginary_FJP = scratch.parts_FJP
        np.add(power_FJP, imaginary_FJP, out=power_FJP)
        power_FK: NDArray[np.float32] = power_FJP.reshape(frames, -1)
        return power_FK


@dataclass(frozen=True)
class _Scratch:
    """What a block of frames becomes on its way to features, used again from block to block."""

    padded_FRP: NDArray[np.float32]
    """(F, R P): windows, and zeros up to a multiple of the phases."""
    inner_FJP: NDArray[np.float32]
    """(F, 2 J, P)."""
    parts_FJP: NDArray[np.float32]
    """(2, F, J, P): real and imaginary parts, later their squares."""

    @classmethod
    def of(cls, fourier: _Fourier, frames: int) -> _Scratch:
        rows, pairs = fourier.inner_JR.shape[1], fourier.outer_JPP.shape[1]
        return cls(np.zeros((frames, rows * PHASES), np.float32), np.empty((frames, 2 * pairs, PHASES), np.float32),
                   np.empty((2, frames, pairs, PHASES), np.float32))

    def first(self, frames: int) -> _Scratch:
        """The part that so many frames need."""
        return _Scratch(self.padded_FRP[:frames], self.inner_FJP[:frames], self.parts_FJP[:, :frames])


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
    transform = max(2 * PHASES, 1 << (window - 1).bit_length())
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
    corners = np.linspace(mel_of(low_hz), mel_of(high_hz), n_mels + 2)
    left_M, centre_M, right_M = corners[:-2], corners[1:-1], corners[2:]
    mel_K1 = mel_of(np.arange(transform // 2 + 1) * (sample_rate / transform))[:, None]
    rising_KM, falling_KM = (mel_K1 - left_M) / (centre_M - left_M), (right_M - mel_K1) / (right_M - centre_M)
    bands_KM: NDArray[np.float32] = np.maximum(0, np.minimum(rising_KM, falling_KM)).astype(np.float32)
    return bands_KM


def mel_of(hz: ArrayLike) -> NDArray[np.float64]:
    """Places on the mel scale."""
    mel: NDArray[np.float64] = 2595 * np.log10(1 + np.asarray(hz, dtype=np.float64) / 700)
    return mel


def hz_of(mel: ArrayLike) -> NDArray[np.float64]:
    """Frequencies at places on the mel scale."""
    hz: NDArray[np.float64] = 700 * (10 ** (np.asarray(mel, dtype=np.float64) / 2595) - 1)
    return hz


def centres_of(settings: Featurize) -> NDArray[np.float64]:
    """Places (n_mels,) of the bands' peaks on the mel scale."""
    return np.linspace(mel_of(settings.low_hz), mel_of(settings.high_hz), settings.n_mels + 2)[1:-1]
