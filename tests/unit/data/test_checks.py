"""Every rule about one recording, broken once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evenvoice.data.audio import Waveform, decode
from evenvoice.data.checks import check_audio, check_description, prepare
from evenvoice.errors import RecordingRejected
from tests.builders.corpora import ToneAudio, described, params_with

SETTINGS = params_with({"ingest": {"min_duration_s": 0.2, "max_duration_s": 5.0, "max_chars_per_s": 30.0,
                                   "max_transcript_chars": 100}}).ingest


class Samples:
    """Audio that is exactly these samples."""

    def __init__(self, samples: Any) -> None:
        self.samples = np.asarray(samples, np.float32)

    def load(self, *, name: str, max_duration_s: float) -> Waveform:
        return Waveform(samples=self.samples, rate=16000)


@pytest.mark.parametrize(("changes", "rule"), [
    ({"speaker": ""}, "name its speaker"),
    ({"text": ""}, "have a transcript"),
    ({"text": " \t "}, "have a transcript"),
    ({"text": "?!"}, "have a transcript with a letter or digit"),
    ({"text": "word " * 21}, "have a transcript of at most 100 characters"),
    ({"text": "on\x00off"}, "have a transcript without control characters"),
    ({"lat": 52.5}, "have both latitude and longitude, or neither"),
    ({"lat": 91.0, "lon": 0.0}, "have a latitude between -90 and 90"),
    ({"lat": 0.0, "lon": float("nan")}, "have a longitude between -180 and 180"),
])
def test_a_bad_description_is_refused_by_name(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(RecordingRejected, match="recording 'r1' must") as caught:
        check_description(described("r1", **{"speaker": "voice01", **changes}), SETTINGS)
    assert caught.value.rule == rule


@pytest.mark.parametrize(("audio", "rule"), [
    (Samples(np.zeros(16000)), "be louder than -80 dBFS"),
    (Samples(np.full(16000, 3e-5)), "be louder than -80 dBFS"),
    (Samples([0.1] * 16000 + [np.nan]), "hold finite samples"),
    (Samples([0.1] * 16000 + [np.inf]), "hold finite samples"),
    (Samples([]), "last at least 0.2 s"),
    (ToneAudio(0.1), "last at least 0.2 s"),
    (ToneAudio(5.1), "last at most 5 s"),
    (ToneAudio(0.3), "hold at most 30 characters per second"),
])
def test_bad_audio_is_refused_by_name(audio: Any, rule: str) -> None:
    with pytest.raises(RecordingRejected, match="recording 'r1' must") as caught:
        check_audio(described("r1", "voice01", audio=audio), SETTINGS)
    assert caught.value.rule == rule


def test_a_good_description_comes_back_normalised() -> None:
    assert check_description(described("r1", "voice01", text="Turn it UP!"), SETTINGS).text == "turn it up"


def test_another_sample_rate_is_resampled() -> None:
    prepared = prepare(described("r1", "voice01", audio=ToneAudio(1.0, rate=8000)), SETTINGS)
    waveform = decode(prepared.wav, name="r1", max_duration_s=5)
    assert (waveform.rate, waveform.duration_s, prepared.duration_s) == (16000, 1.0, 1.0)


def test_clipped_audio_is_taken() -> None:
    clipped = Samples(np.clip(4 * ToneAudio().waveform.samples, -1, 1))
    assert check_audio(described("r1", "voice01", audio=clipped), SETTINGS) == 1.0
