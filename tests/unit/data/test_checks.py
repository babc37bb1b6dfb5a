"""Every rule about one recording, broken once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evenvoice.data.audio import Waveform, decode, resample
from evenvoice.data.checks import check_audio, check_description, prepare
from evenvoice.data.corpora.files import FileAudio
from evenvoice.data.joining import JoinedAudio
from evenvoice.errors import RecordingRejected
from tests.builders.audio import tone
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
    ({"speaker": " \u200b\u00a0"}, "name its speaker"),
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


@pytest.mark.parametrize("speaker", ["Jos\u00e9", "Jose\u0301", "Jos\u00e9 ", "\ufeffJos\u00e9", "\u00a0Jos\u00e9"])
def test_a_speaker_and_a_postal_code_come_back_in_one_spelling(speaker: str) -> None:
    passed = check_description(described("r1", speaker, postal_code=" SW1A\u00a01AA "), SETTINGS)
    assert (passed.speaker, passed.postal_code) == ("Jos\u00e9", "SW1A 1AA")


def test_a_blank_postal_code_is_none() -> None:
    assert check_description(described("r1", "voice01", postal_code=" "), SETTINGS).postal_code is None


def checked_text(text: str, policy: str) -> str:
    settings = params_with({"ingest": {"markup": policy}}).ingest
    return check_description(described("r1", "voice01", text=text), settings).text


def test_markup_is_refused_by_name_unless_something_else_is_asked_for() -> None:
    with pytest.raises(RecordingRejected) as caught:
        check_description(described("r1", "voice01", text="okay <COMMA> go [noise]"), SETTINGS)
    assert str(caught.value) == (
        "recording 'r1' must have a transcript without markup, got '<COMMA>' instead. Write what was said, or choose "
        "ingest.markup: drop takes such tags away, keep trains on them and scores them as words.")


@pytest.mark.parametrize(("policy", "text", "said"), [
    ("drop", "okay <COMMA> go", "okay go"), ("drop", "don&#39;t", "don't"), ("drop", "3 < 4", "3 4"),
    ("keep", "okay <COMMA> go", "okay comma go"), ("keep", "don&#39;t", "don 39 t"),
    ("keep", "ignore_time_segment_in_scoring", "ignore time segment in scoring"), ("refuse", "AT&T <3", "at t 3"),
])
def test_markup_is_dropped_or_kept_where_that_is_asked_for(policy: str, text: str, said: str) -> None:
    assert checked_text(text, policy) == said


@pytest.mark.parametrize(("text", "rule"), [
    ("ignore_time_segment_in_scoring", "be meant to be scored"),
    ("go IGNORE_TIME_SEGMENT_IN_SCORING", "be meant to be scored"),
    ("&lt;ignore_time_segment_in_scoring", "be meant to be scored"),
    ("<unk> [noise]", "have a transcript with a letter or digit"),
    ("on&#129;off", "have a transcript without control characters"),
])
def test_dropping_markup_still_refuses_what_cannot_be_used(text: str, rule: str) -> None:
    with pytest.raises(RecordingRejected) as caught:
        checked_text(text, "drop")
    assert caught.value.rule == rule


def test_a_good_description_comes_back_normalised() -> None:
    assert check_description(described("r1", "voice01", text="Turn it UP!"), SETTINGS).text == "turn it up"


def test_another_sample_rate_is_resampled() -> None:
    prepared = prepare(described("r1", "voice01", audio=ToneAudio(1.0, rate=8000)), SETTINGS)
    waveform = decode(prepared.wav, name="r1", max_duration_s=5)
    assert (waveform.rate, waveform.duration_s, prepared.duration_s) == (16000, 1.0, 1.0)


@pytest.mark.parametrize("rate", [16000, 8000])
@pytest.mark.parametrize("peak", [1.5, 3.0, 20000.0])
def test_audio_beyond_full_scale_is_stored_whole_and_counted(peak: float, rate: int) -> None:
    prepared = prepare(described("r1", "voice01", audio=ToneAudio(1.0, rate=rate, peak=peak)), SETTINGS)
    assert prepared.scaled
    stored = decode(prepared.wav, name="r1", max_duration_s=5).samples
    expected = tone(1.0).samples / 0.5
    np.testing.assert_allclose(stored[200:-200], expected[200:-200], atol=0.01)


def test_what_resampling_overshoots_is_not_clipped_and_not_counted() -> None:
    square = ToneAudio(1.0, rate=8000)
    square.waveform = Waveform(np.sign(square.waveform.samples), 8000)
    prepared = prepare(described("r1", "voice01", audio=square), SETTINGS)
    assert not prepared.scaled
    stored = decode(prepared.wav, name="r1", max_duration_s=5).samples
    overshot = resample(square.waveform, 16000).samples
    np.testing.assert_allclose(stored, overshot / np.abs(overshot).max(), atol=1e-4)


def test_a_joined_string_of_files_is_counted_where_one_was_beyond_full_scale(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "plain.wav", tone(0.5).samples, 16000)
    soundfile.write(tmp_path / "loud.wav", 20000 * tone(0.5).samples, 16000, subtype="FLOAT")
    plain, loud = FileAudio(str(tmp_path / "plain.wav")), FileAudio(str(tmp_path / "loud.wav"))
    for parts, scaled in (((plain, loud), True), ((loud, plain), True), ((plain, plain), False)):
        prepared = prepare(described("r1", "voice01", audio=JoinedAudio(parts, (0.1,))), SETTINGS)
        assert prepared.scaled is scaled


def test_audio_that_a_click_would_scale_into_silence_is_refused() -> None:
    clicked = ToneAudio(1.0).waveform.samples.copy()
    clicked[8000] = 10.0**5
    message = r"must reach -80 dBFS beside its loudest samples, got -106\.0 dBFS once these fit full scale instead"
    with pytest.raises(RecordingRejected, match=message):
        prepare(described("r1", "voice01", audio=Samples(clicked)), SETTINGS)
    assert prepare(described("r1", "voice01", audio=Samples(np.clip(clicked, -2, 2))), SETTINGS).scaled


def test_clipped_audio_is_taken() -> None:
    clipped = Samples(np.clip(4 * ToneAudio().waveform.samples, -1, 1))
    assert check_audio(described("r1", "voice01", audio=clipped), SETTINGS) == 1.0
