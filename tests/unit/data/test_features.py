"""Log-mel features: against the formula written out, and frame by frame against whole recordings."""

import math

import numpy as np
import pytest

from evenvoice.data.features import FLOOR, FRAMES_AT_ONCE, LogMel, mel_filterbank
from evenvoice.errors import ParamsError
from tests.builders.audio import tone
from tests.builders.features import SETTINGS

WIDE = SETTINGS.model_copy(update={"n_mels": 64})

NOISE = np.random.default_rng(7).normal(scale=0.1, size=16000).astype(np.float32)


@pytest.fixture
def log_mel():
    return LogMel(SETTINGS, 16000)


def frame_by_formula(samples, n_mels, low_hz, high_hz):
    """One frame in plain Python: Hann, a 512-point DFT, triangles in mel, natural logarithm."""
    window = len(samples)
    tapered = [x * (0.5 - 0.5 * math.cos(2 * math.pi * n / window)) for n, x in enumerate(samples)]
    turn = -2j * math.pi / 512
    power = [abs(sum(x * np.exp(turn * k * n) for n, x in enumerate(tapered))) ** 2 for k in range(257)]

    def mel(hz):
        return 2595 * math.log10(1 + hz / 700)

    step = (mel(high_hz) - mel(low_hz)) / (n_mels + 1)
    bands = []
    for band in range(n_mels):
        centre = mel(low_hz) + (band + 1) * step
        heights = [max(0.0, 1 - abs(mel(k * 16000 / 512) - centre) / step) for k in range(257)]
        bands.append(math.log(max(FLOOR, sum(h * p for h, p in zip(heights, power, strict=True)))))
    return bands


def test_a_frame_is_what_the_formula_says(log_mel):
    expected = frame_by_formula(NOISE[320:720].tolist(), 16, 20.0, 7600.0)
    np.testing.assert_allclose(log_mel(NOISE)[2], expected, atol=1e-4)


def features_in_float64(samples, settings, rate):
    """numpy's transform and every triangle over every bin."""
    window, hop = round(settings.window_ms * rate / 1000), round(settings.hop_ms * rate / 1000)
    transform = 1 << (window - 1).bit_length()
    bands = mel_filterbank(settings.n_mels, settings.low_hz, settings.high_hz, transform=transform, sample_rate=rate)
    while not bands.any(axis=0).all():
        transform *= 2
        bands = mel_filterbank(settings.n_mels, settings.low_hz, settings.high_hz, transform=transform,
                               sample_rate=rate)
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    windows = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), window)[::hop]
    power = np.abs(np.fft.rfft(windows * taper, n=transform)) ** 2
    return np.log(np.maximum(FLOOR, power @ bands.astype(np.float64)))


@pytest.mark.parametrize(("rate", "changes"), [
    (16000, {}), (16000, {"n_mels": 16}), (16000, {"n_mels": 128}), (16000, {"low_hz": 0.0, "high_hz": 8000.0}),
    (16000, {"window_ms": 32.0, "hop_ms": 8.0}), (16000, {"window_ms": 10.0, "n_mels": 20}),
    (8000, {"high_hz": 4000.0}), (11025, {"high_hz": 5000.0}), (22050, {"hop_ms": 12.5}), (48000, {}),
])
def test_features_are_those_of_a_plain_transform_in_float64(rate, changes):
    settings = WIDE.model_copy(update=changes)
    expected = features_in_float64(NOISE, settings, rate)
    np.testing.assert_allclose(LogMel(settings, rate)(NOISE), expected, rtol=0, atol=3e-5)


def test_features_are_float32_frames_by_bands(log_mel):
    features = log_mel(NOISE)
    assert features.dtype == np.float32
    assert features.shape == (98, 16)


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (399, 1), (400, 1), (559, 1), (560, 2), (16000, 98)])
def test_only_whole_windows_become_frames_but_at_least_one_does(log_mel, samples, frames):
    assert log_mel.frames(samples) == frames
    assert len(log_mel(NOISE[:samples])) == frames


def test_a_recording_shorter_than_a_window_is_padded_with_silence(log_mel):
    padded = np.concatenate([NOISE[:100], np.zeros(300, np.float32)])
    np.testing.assert_array_equal(log_mel(NOISE[:100]), log_mel(padded))


def test_a_frame_depends_on_its_own_samples_only(log_mel):
    changed = NOISE.copy()
    changed[:1600] = changed[2000:] = 0.9  # frame 10 reads samples 1600 to 1999
    np.testing.assert_array_equal(log_mel(changed)[10], log_mel(NOISE)[10])
    assert not np.isclose(log_mel(changed)[9], log_mel(NOISE)[9]).all()
    assert not np.isclose(log_mel(changed)[11], log_mel(NOISE)[11]).all()


@pytest.mark.parametrize("chunk", [1, 100, 160, 1000, 5000])
def test_speech_that_comes_in_chunks_gives_the_frames_of_the_whole(log_mel, chunk):
    waiting, frames = np.empty(0, np.float32), []
    for start in range(0, len(NOISE), chunk):
        waiting = np.concatenate([waiting, NOISE[start:start + chunk]])
        if len(waiting) >= log_mel.window:
            new = log_mel(waiting)
            frames.append(new)
            waiting = waiting[len(new) * log_mel.hop:]
    np.testing.assert_allclose(np.concatenate(frames), log_mel(NOISE), atol=1e-5)


def test_a_recording_longer_than_one_block_has_no_seam(log_mel):
    long = np.tile(NOISE, 4)
    assert len(log_mel(long)) > FRAMES_AT_ONCE
    start = (FRAMES_AT_ONCE - 2) * log_mel.hop
    np.testing.assert_allclose(log_mel(long)[FRAMES_AT_ONCE - 2:][:4], log_mel(long[start:])[:4], atol=1e-5)


def test_digital_silence_is_the_floor(log_mel):
    np.testing.assert_allclose(log_mel(np.zeros(800, np.float32)), math.log(FLOOR), rtol=1e-6)


def test_a_louder_recording_only_shifts_the_features(log_mel):
    np.testing.assert_allclose(log_mel(2 * NOISE) - log_mel(NOISE), 2 * math.log(2), atol=1e-3)


@pytest.mark.parametrize("hertz", [300.0, 1000.0, 3000.0, 6000.0])
def test_a_tone_is_loudest_in_the_band_around_it(log_mel, hertz):
    low, high, at = (2595 * math.log10(1 + hz / 700) for hz in (20, 7600, hertz))
    nearest = np.abs(np.linspace(low, high, 18)[1:-1] - at).argmin()
    assert set(log_mel(tone(0.2, hertz=hertz).samples).argmax(axis=1)) == {nearest}


def test_neighbouring_triangles_add_up_to_one_between_the_outer_centres():
    bands = mel_filterbank(16, 20.0, 7600.0, transform=512, sample_rate=16000)
    hertz = np.arange(257) * 16000 / 512
    np.testing.assert_allclose(bands[(hertz > 150) & (hertz < 6500)].sum(axis=1), 1, atol=1e-6)
    assert not bands[hertz > 7600].any()


def test_bands_too_narrow_for_the_window_get_a_longer_transform_and_none_is_empty():
    narrow = LogMel(SETTINGS.model_copy(update={"n_mels": 128}), 16000)
    assert (narrow(NOISE) > math.log(FLOOR)).all()


def test_a_corpus_at_8_khz_needs_bands_below_4_khz():
    with pytest.raises(ParamsError, match=r"featurize\.high_hz must be above low_hz \(20\) and at most half the sample "
                                          r"rate \(4000 Hz\), got 7600 instead"):
        LogMel(SETTINGS, 8000)
    assert LogMel(SETTINGS.model_copy(update={"high_hz": 4000.0}), 8000)(NOISE).shape == (198, 16)


def test_a_hop_longer_than_the_window_would_skip_speech_and_is_refused():
    with pytest.raises(ParamsError, match=r"featurize\.hop_ms"):
        LogMel(SETTINGS.model_copy(update={"hop_ms": 30.0}), 16000)
