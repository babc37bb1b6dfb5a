"""What a planted change does to a recording: as much as its strength says, and nothing else."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st
from numpy.typing import NDArray

from evenvoice.data.audio import Waveform
from evenvoice.data.transforms import TRANSFORMS, Change

RATE = 16_000


def vowel(pitch_hz: float = 120.0, resonance_hz: float = 1000.0, seconds: float = 1.0) -> Waveform:
    """Harmonics of a pitch under one resonance, a little louder and quieter over time."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    harmonics = pitch_hz * np.arange(1, int(0.45 * RATE / pitch_hz))
    heights = 1 / (1 + ((harmonics - resonance_hz) / 150) ** 2)
    sound = (heights[:, None] * np.sin(2 * np.pi * harmonics[:, None] * time_s + harmonics[:, None])).sum(axis=0)
    return Waveform(samples=(0.1 * sound * (1 + 0.3 * np.sin(6 * np.pi * time_s))).astype(np.float32), rate=RATE)


def hiss(seconds: float = 1.0) -> Waveform:
    """White noise: its spectrum shows what is cut off."""
    samples = 0.1 * np.random.default_rng(3).standard_normal(round(seconds * RATE))
    return Waveform(samples=samples.astype(np.float32), rate=RATE)


def changed(waveform: Waveform, transform: str, strength: float, *, key: str = "r", seed: int = 1) -> Waveform:
    return Change(transform, strength, seed).of(waveform, key)


def rms(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def power(waveform: Waveform) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    spectrum = np.abs(np.fft.rfft(waveform.samples.astype(np.float64))) ** 2
    return np.fft.rfftfreq(len(waveform.samples), 1 / waveform.rate), spectrum / spectrum.sum()


def centroid_hz(waveform: Waveform) -> float:
    frequencies, shares = power(waveform)
    return float(frequencies @ shares)


def period_s(waveform: Waveform) -> float:
    """Of the pitch: where the autocorrelation between 60 and 400 Hz is highest."""
    samples = waveform.samples.astype(np.float64)
    lags = np.arange(RATE // 400, RATE // 60)
    return float(lags[np.argmax([samples[:-lag] @ samples[lag:] / (len(samples) - lag) for lag in lags])]) / RATE


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_at_strength_0_the_same_object_comes_back(transform: str) -> None:
    sound = vowel()
    assert changed(sound, transform, 0.0) is sound


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("strength", [0.1, 0.5])
def test_loudness_stays(transform: str, strength: float) -> None:
    sound = vowel()
    assert rms(changed(sound, transform, strength).samples) == pytest.approx(rms(sound.samples), rel=1e-4)


@pytest.mark.parametrize(("transform", "strength", "length"), [
    ("formants", 0.25, RATE), ("formants", -0.25, RATE), ("speed", 0.25, round(RATE / 1.25)),
    ("speed", -0.2, round(RATE / 0.8)), ("band", 0.5, RATE), ("noise", 0.5, RATE)])
def test_only_speed_changes_the_length(transform: str, strength: float, length: int) -> None:
    assert len(changed(vowel(), transform, strength).samples) == length


@pytest.mark.parametrize("strength", [-0.2, 0.1, 0.25])
def test_a_longer_vocal_tract_divides_pitch_and_formants_by_its_length(strength: float) -> None:
    sound = vowel()
    after = changed(sound, "formants", strength)
    assert period_s(after) / period_s(sound) == pytest.approx(1 + strength, rel=0.03)
    assert centroid_hz(sound) / centroid_hz(after) == pytest.approx(1 + strength, rel=0.03)


@pytest.mark.parametrize("strength", [-0.3, 0.25, 0.6])
def test_faster_speech_keeps_its_pitch_and_its_formants(strength: float) -> None:
    sound = vowel()
    after = changed(sound, "speed", strength)
    assert period_s(after) == pytest.approx(period_s(sound), rel=0.02)
    assert centroid_hz(after) == pytest.approx(centroid_hz(sound), rel=0.02)


def test_faster_speech_says_the_same_in_the_same_order() -> None:
    low, high = vowel(100, 600, 0.5), vowel(160, 1800, 0.5)
    both = Waveform(samples=np.concatenate([low.samples, high.samples]), rate=RATE)
    after = changed(both, "speed", 0.25)
    half = len(after.samples) // 2
    first, second = (Waveform(samples=part, rate=RATE) for part in (after.samples[:half - 800],
                                                                    after.samples[half + 800:]))
    assert centroid_hz(first) == pytest.approx(centroid_hz(low), rel=0.03)
    assert centroid_hz(second) == pytest.approx(centroid_hz(high), rel=0.03)


def test_a_band_ends_at_what_is_left_of_it() -> None:
    frequencies, shares = power(changed(hiss(), "band", 0.5))  # 8 kHz to 4 kHz
    assert shares[frequencies > 5000].sum() < 1e-3
    assert shares[(frequencies > 2000) & (frequencies < 3500)].sum() == pytest.approx(1.5 / 4, abs=0.03)
    edge, below = (shares[np.abs(frequencies - hertz) < 60].mean() for hertz in (4000, 2000))
    assert edge / below == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(("strength", "snr_db"), [(0.1, 20.0), (0.316, 10.0), (1.0, 0.0)])
def test_noise_lies_as_far_below_speech_as_its_strength_says_in_every_band(strength: float, snr_db: float) -> None:
    sound = hiss(4.0)
    after = changed(sound, "noise", strength).samples.astype(np.float64)
    speech = sound.samples.astype(np.float64)
    gain = after @ speech / (speech @ speech)
    for low, high in ((100, 1000), (3000, 6000)):
        frequencies = np.fft.rfftfreq(len(speech), 1 / RATE)
        inside = (frequencies > low) & (frequencies < high)
        wanted, added = (np.abs(np.fft.rfft(part)[inside]) ** 2 for part in (gain * speech, after - gain * speech))
        assert 10 * np.log10(wanted.sum() / added.sum()) == pytest.approx(snr_db, abs=1.0)


def test_noise_follows_from_the_seed_and_the_recording_alone() -> None:
    sound = vowel()
    first = changed(sound, "noise", 0.3, key="a", seed=1).samples
    assert np.array_equal(first, changed(sound, "noise", 0.3, key="a", seed=1).samples)
    assert not np.array_equal(first, changed(sound, "noise", 0.3, key="b", seed=1).samples)
    assert not np.array_equal(first, changed(sound, "noise", 0.3, key="a", seed=2).samples)


def between_harmonics(waveform: Waveform) -> float:
    """Share of the power between the harmonics of 120 Hz, which noise fills."""
    frequencies, shares = power(waveform)
    return float(shares[np.abs(frequencies % 120 - 60) < 20].sum())


@pytest.mark.parametrize(("transform", "measure", "sound", "strengths"), [
    ("formants", centroid_hz, vowel(), (0.3, 0.2, 0.1, 0.0, -0.1, -0.2)),
    ("speed", lambda waveform: waveform.duration_s, vowel(), (0.5, 0.25, 0.1, 0.0, -0.1, -0.4)),
    ("band", centroid_hz, hiss(), (0.8, 0.6, 0.4, 0.2, 0.0)),
    ("noise", between_harmonics, vowel(), (0.0, 0.1, 0.3, 1.0)),
])
def test_more_strength_changes_more(transform: str, measure: object, sound: Waveform,
                                    strengths: tuple[float, ...]) -> None:
    assert callable(measure)
    measured = [measure(changed(sound, transform, strength)) for strength in strengths]
    assert all(low < high for low, high in pairwise(measured))


@rules(max_examples=60)
@given(transform=st.sampled_from(list(TRANSFORMS)), strength=st.floats(-0.5, 1), length=st.integers(1, 6000),
       rate=st.sampled_from([8000, 11_025, 16_000, 44_100]), peak=st.floats(0, 1, width=32), seed=st.integers(0, 99))
def test_whatever_the_strength_and_rate_samples_are_finite_and_as_loud_as_before(
        transform: str, strength: float, length: int, rate: int, peak: float, seed: int) -> None:
    if transform in ("band", "noise"):
        strength = min(abs(strength), 0.95)
    samples = (peak * np.random.default_rng(seed).uniform(-1, 1, length)).astype(np.float32)
    after = changed(Waveform(samples=samples, rate=rate), transform, strength)
    wanted = max(1, round(length / (1 + strength))) if transform == "speed" and samples.any() else length
    assert (len(after.samples), after.samples.dtype, after.rate) == (wanted, np.float32, rate)
    assert np.isfinite(after.samples).all()
    if length >= 100 and peak > 1e-6:  # of fewer samples a whole spectrum may be cut off
        assert rms(after.samples) == pytest.approx(rms(samples), rel=1e-3)
