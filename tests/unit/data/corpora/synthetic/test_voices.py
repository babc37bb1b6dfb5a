"""espeak-ng says the same thing the same way, whatever it said before."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from evenvoice.data.corpora.synthetic import voices, world
from evenvoice.data.corpora.synthetic.voices import SAMPLE_RATE, Voice, speak
from evenvoice.errors import PreflightError

ACCENTS = sorted({*world.COMMON.accents, world.SCARCE_ACCENT})


def voice(accent: str = "en-us", variant: str = "f3", rate_wpm: int = 170, noise_seed: int = 1) -> Voice:
    return Voice(accent=accent, variant=variant, rate_wpm=rate_wpm, pitch=50, pitch_range=50, noise_seed=noise_seed)


def test_what_was_said_before_leaves_no_trace() -> None:
    alone = speak("set a timer for ten minutes", voice())
    speak("play some jazz music", voice("en-gb-scotland", "adam", rate_wpm=200, noise_seed=5))
    assert np.array_equal(speak("set a timer for ten minutes", voice()), alone)


def test_breath_noise_follows_its_seed() -> None:
    first, second = (speak("turn on the lights", voice(variant="f5", noise_seed=seed)) for seed in (1, 2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("accent", ACCENTS)
def test_every_accent_of_the_world_can_be_heard(accent: str) -> None:
    samples = speak("turn on the lights", voice(accent))
    assert 0.7 < len(samples) / SAMPLE_RATE < 2.5
    assert samples.std() > 0.02


def test_accents_sound_different() -> None:
    heard = {speak("the weather in dallas", voice(accent)).tobytes() for accent in ACCENTS}
    assert len(heard) == len(ACCENTS)


@pytest.mark.parametrize("variant", voices.FEMALE + voices.MALE)
def test_every_variant_of_the_world_can_be_heard(variant: str) -> None:
    samples = speak("turn on the lights", voice(variant=variant))
    assert 0.7 < len(samples) / SAMPLE_RATE < 2.5
    assert samples.std() > 0.02


def test_a_higher_rate_is_shorter() -> None:
    slow, fast = (len(speak("turn on the lights", voice(rate_wpm=rate))) for rate in (140, 210))
    assert fast < 0.8 * slow


def test_a_missing_voice_is_refused_by_name() -> None:
    with pytest.raises(PreflightError, match=r"'en-us\+nobody' must exist"):
        speak("hello", voice(variant="nobody"))


def test_missing_voice_data_is_an_error_and_not_the_end_of_the_process(monkeypatch: pytest.MonkeyPatch,
                                                                       tmp_path: Path) -> None:
    monkeypatch.setattr(voices, "_voice_data", lambda: str(tmp_path))
    with pytest.raises(PreflightError, match=r"must start at 22050 Hz"):
        speak("hello", voice())


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(PreflightError, match=r"pip install 'evenvoice\[synthetic\]'"):
        voices.check_installed()
