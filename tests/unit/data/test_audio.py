"""Audio that comes from strangers."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evenvoice.data.audio import (
    Waveform,
    decode,
    decode_file,
    encode_flac,
    encode_wav,
    resample,
    wav_samples,
    within_full_scale,
)
from evenvoice.errors import RecordingRejected
from tests.builders.audio import file_bytes, tone, with_declared_frames

FLAC = file_bytes(tone(0.5))
WAV = file_bytes(tone(0.5), "WAV")


def refusal(content: bytes, max_duration_s: float = 10.0) -> RecordingRejected:
    with pytest.raises(RecordingRejected) as caught:
        decode(content, name="recording 'r1'", max_duration_s=max_duration_s)
    assert caught.value.name == "recording 'r1'"
    return caught.value


@pytest.mark.parametrize("content", [FLAC, WAV], ids=["flac", "wav"])
def test_wav_and_flac_give_their_samples(content: bytes) -> None:
    waveform = decode(content, name="r1", max_duration_s=10)
    assert waveform.rate == 16000
    assert waveform.duration_s == 0.5
    np.testing.assert_allclose(waveform.samples, tone(0.5).samples, atol=1e-4)


def test_channels_are_averaged() -> None:
    waveform = decode(file_bytes(tone(0.5), channels=3), name="r1", max_duration_s=10)
    assert waveform.samples.shape == (8000,)
    np.testing.assert_allclose(waveform.samples, tone(0.5).samples, atol=1e-4)


def test_an_empty_file_is_refused_by_name() -> None:
    assert refusal(b"").value == "an empty file"


def test_a_text_file_is_refused_by_name() -> None:
    assert refusal(b"utterance one two three\n" * 50).rule == "be readable audio"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("content", [FLAC, WAV], ids=["flac", "wav"])
def test_a_truncated_file_is_refused_by_name(content: bytes, share: float) -> None:
    assert "truncated" in refusal(content[:int(len(content) * share)]).action


def test_a_wav_file_written_to_a_pipe_has_no_length_and_is_read() -> None:
    at = WAV.index(b"data") + 4
    streamed = WAV[:at] + b"\xff\xff\xff\xff" + WAV[at + 4:]
    assert decode(streamed, name="r1", max_duration_s=10).duration_s == 0.5


@pytest.mark.parametrize(("frames", "value", "action"), [
    (7999, "8000 frames behind a header that declares 7999", "Its header is wrong"),
    (8001, "8000 of 8001 declared frames", "Copy the file again: it is truncated."),
    (9000, "8000 of 9000 declared frames", "Copy the file again: it is truncated.")])
def test_a_header_that_is_wrong_about_the_length_is_refused_with_both_figures(frames: int, value: str,
                                                                              action: str) -> None:
    rejection = refusal(with_declared_frames(FLAC, frames))
    assert rejection.value == value
    assert rejection.action.startswith(action)


def test_a_header_that_declares_hours_is_refused_before_decoding() -> None:
    rejection = refusal(with_declared_frames(FLAC, 16000 * 3600 * 10))
    assert rejection.rule == "last at most 10 s"
    assert rejection.value == "36000 s"


def test_a_header_that_declares_more_memory_than_there_is_is_refused() -> None:
    wide = file_bytes(tone(0.1, rate=192_000), channels=8)
    rejection = refusal(with_declared_frames(wide, 192_000 * 600), max_duration_s=600)
    assert rejection.rule == "decode into at most 256 MiB"
    assert rejection.value == "3515 MiB (192000 Hz x 8 channels x 600 s)"


def test_a_stream_that_declares_no_length_is_read_to_its_end() -> None:
    waveform = decode(with_declared_frames(FLAC, 0), name="r1", max_duration_s=10)
    np.testing.assert_allclose(waveform.samples, tone(0.5).samples, atol=1e-4)
    assert refusal(with_declared_frames(FLAC, 0), max_duration_s=0.4).rule == "last at most 0.4 s"


def test_a_rate_that_no_speech_has_is_refused_before_it_becomes_hours() -> None:
    assert refusal(file_bytes(tone(0.5, rate=1000), "WAV")).rule == "have a sample rate of at least 4000 Hz"


@pytest.mark.parametrize("sample", [np.nan, -np.inf])
def test_samples_that_are_not_numbers_are_refused(sample: float) -> None:
    broken = Waveform(np.array([0.1, sample, 0.1], np.float32), 16000)
    buffer = io.BytesIO()
    soundfile.write(buffer, broken.samples, broken.rate, format="WAV", subtype="FLOAT")
    assert refusal(buffer.getvalue()).rule == "hold finite samples"


def test_compressed_audio_needs_consent() -> None:
    content = file_bytes(tone(0.5), "OGG")
    assert refusal(content).rule == "be WAV, WAVEX, FLAC"
    waveform = decode_file(io.BytesIO(content), name="r1", max_duration_s=10, formats=("OGG",))
    assert waveform.duration_s == 0.5


def test_a_part_of_a_file_is_taken_between_its_times() -> None:
    part = decode_file(io.BytesIO(FLAC), name="r1", max_duration_s=0.2, start_s=0.1, end_s=0.3)
    np.testing.assert_allclose(part.samples, tone(0.5).samples[1600:4800], atol=1e-4)


@pytest.mark.parametrize(("start_s", "end_s"), [(0.3, 0.2), (-0.1, 0.2), (0.1, 0.9), (float("nan"), 0.2),
                                                (0.0, float("inf"))])
def test_a_part_outside_its_file_is_refused(start_s: float, end_s: float) -> None:
    with pytest.raises(RecordingRejected):
        decode_file(io.BytesIO(FLAC), name="r1", max_duration_s=10, start_s=start_s, end_s=end_s)


def test_resampling_keeps_length_and_pitch() -> None:
    resampled = resample(tone(1.0, rate=8000), 16000)
    assert resampled.rate == 16000
    assert resampled.duration_s == 1.0
    spectrum = np.abs(np.fft.rfft(resampled.samples))
    assert spectrum.argmax() == 440


@pytest.mark.parametrize("encode", [encode_flac, encode_wav])
@pytest.mark.parametrize("sample", [1.0001, -3.0, np.nan])
def test_samples_beyond_full_scale_are_never_encoded(encode: Callable[[Waveform], bytes], sample: float) -> None:
    with pytest.raises(ValueError, match=r"samples must lie in \[-1, 1\]"):
        encode(Waveform(samples=np.array([0.5, sample] * 100, np.float32), rate=16000))


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize(("kind", "endian"), [("WAV", "LITTLE"), ("WAV", "BIG"), ("WAVEX", "LITTLE")])
@pytest.mark.parametrize("peak", [1.001, 3.0, 20000.0, 32768.0, 10.0**6])
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_beyond_full_scale_are_scaled_to_it_and_that_is_known(kind: str, subtype: str, endian: str, peak: float,
                                                                      channels: int) -> None:
    loud = tone(0.5, peak=1.0).samples / tone(0.5, peak=1.0).samples.max()
    waveform = decode(stored(loud * peak, kind, subtype, endian, channels), name="r1", max_duration_s=10)
    assert waveform.scaled
    np.testing.assert_allclose(waveform.samples, loud, atol=1e-6)
    assert np.abs(waveform.samples).max() == 1
    resampled = resample(waveform, 8000)
    assert resampled.scaled
    back = decode(encode_wav(waveform), name="r1", max_duration_s=10)
    np.testing.assert_allclose(back.samples, loud, atol=1e-4)
    assert not back.scaled


def stored(samples: NDArray[np.float32], kind: str, subtype: str, endian: str = "FILE", channels: int = 1) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.stack([samples] * channels, 1), 16000, format=kind, subtype=subtype, endian=endian)
    return buffer.getvalue()


def test_a_part_is_scaled_by_its_own_peak() -> None:
    rising = np.linspace(0, 4, 16000).astype(np.float32)
    content = io.BytesIO(stored(rising, "WAV", "FLOAT"))
    quiet = decode_file(content, name="r1", max_duration_s=10, end_s=0.2)
    loud = decode_file(content, name="r1", max_duration_s=10, start_s=0.5, end_s=0.75)
    assert not quiet.scaled
    np.testing.assert_array_equal(quiet.samples, rising[:3200])
    assert loud.scaled
    np.testing.assert_allclose(loud.samples, rising[8000:12000] / rising[11999], atol=1e-6)


@pytest.mark.parametrize("kind", ["MP3", "OGG"])
def test_compressed_sound_that_overshoots_is_scaled_and_not_clipped(kind: str) -> None:
    square = np.sign(tone(0.5, peak=1.0).samples).astype(np.float32)
    content = file_bytes(Waveform(square, 16000), kind)
    with soundfile.SoundFile(io.BytesIO(content)) as sound:
        raw = sound.read(dtype="float32")
    assert np.abs(raw).max() > 1
    waveform = decode_file(io.BytesIO(content), name="r1", max_duration_s=10, formats=(kind,))
    assert waveform.scaled
    np.testing.assert_allclose(waveform.samples, raw / np.abs(raw).max(), atol=1e-6)


@pytest.mark.parametrize("sample", [1.0, -1.0, 0.5])
def test_samples_up_to_full_scale_stay_as_they_are(sample: float) -> None:
    samples = np.array([0.1, sample, 0.1] * 10, np.float32)
    waveform = decode(stored(samples, "WAV", "FLOAT"), name="r1", max_duration_s=10)
    assert not waveform.scaled
    np.testing.assert_array_equal(waveform.samples, samples)
    assert within_full_scale(waveform, scaled=True) is waveform


def test_what_resampling_overshoots_is_scaled_without_a_mark() -> None:
    square = Waveform(np.sign(tone(0.5, rate=8000, peak=1.0).samples).astype(np.float32), 8000)
    overshot = resample(square, 16000)
    assert np.abs(overshot.samples).max() > 1.05
    fitting = within_full_scale(overshot, scaled=False)
    assert not fitting.scaled
    np.testing.assert_allclose(fitting.samples, overshot.samples / np.abs(overshot.samples).max(), atol=1e-6)


def test_sixteen_bits_that_came_in_are_those_that_are_stored() -> None:
    every = np.arange(-2**15, 2**15).astype(np.int16)
    stored = encode_wav(Waveform(every.astype(np.float32) / 2**15, 16000))
    np.testing.assert_array_equal(decode(stored, name="r1", max_duration_s=10).samples * 2**15, every)
    viewed = wav_samples(memoryview(pa.py_buffer(stored)), 16000)
    assert viewed is not None
    np.testing.assert_array_equal(viewed, every)


@pytest.mark.parametrize("content", [
    encode_wav(tone(0.1))[:-2], encode_wav(tone(0.1)) + b"\0\0", encode_wav(tone(0.1))[:43], b"", FLAC, WAV,
    encode_wav(tone(0.1, rate=8000)), encode_wav(tone(0.1)).replace(b"data", b"fact"),
])
def test_bytes_that_are_not_exactly_such_a_file_are_left_to_the_decoder(content: bytes) -> None:
    assert wav_samples(memoryview(content), 16000) is None


@given(data=st.data())
@settings(max_examples=150)
def test_damaged_bytes_are_decoded_or_refused_but_never_crash(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([FLAC, WAV])))
    for at in data.draw(st.lists(st.integers(0, 200), max_size=6)):
        content[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    try:
        waveform = decode(bytes(content[:cut]), name="r1", max_duration_s=10)
    except RecordingRejected:
        return
    assert waveform.duration_s <= 10


@given(content=st.binary(max_size=400))
@settings(max_examples=100)
def test_random_bytes_behind_a_known_beginning_never_crash(content: bytes) -> None:
    for beginning in (b"", b"fLaC", b"RIFF\x00\x01\x00\x00WAVEfmt "):
        try:
            decode(beginning + content, name="r1", max_duration_s=10)
        except RecordingRejected:
            continue
