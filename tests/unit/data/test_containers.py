"""Headers that say another length than follows: read to the last sample, or refused with both figures."""

from __future__ import annotations

import io
import re
import resource
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evenvoice.data.audio import Waveform, decode, decode_file
from evenvoice.errors import RecordingRejected
from tests.builders.audio import file_bytes, tone, with_declared_frames

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 20000).astype(np.float32)
COMPRESSED = ("MP3", "OGG")
DECODER_DELAY = 529
"""Samples that an MP3 decoder needs before the first one that was encoded."""
FRAMES = 72
"""Of :func:`mp3` at 16 kHz."""


def encoded(kind: str, samples: Any = NOISE, rate: int = 16000, **options: Any) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, **options)
    return buffer.getvalue()


def read(content: bytes, start_s: float = 0.0, end_s: float | None = None,
         formats: tuple[str, ...] = ("WAV", "WAVEX", "FLAC", *COMPRESSED)) -> Waveform:
    return decode_file(io.BytesIO(content), name="r1", max_duration_s=100, start_s=start_s, end_s=end_s,
                       formats=formats)


def refusal(content: bytes, start_s: float = 0.0, end_s: float | None = None) -> RecordingRejected:
    with pytest.raises(RecordingRejected) as caught:
        read(content, start_s, end_s)
    assert caught.value.name == "r1"
    return caught.value


def wav(samples: bytes, declared: int | None = None, behind: bytes = b"", *, order: str = "little",
        channels: int = 1, width: int = 2) -> bytes:
    """A WAV file of these bytes whose header declares another number of them."""
    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, order)  # type: ignore[arg-type]

    frame = channels * width
    fmt = b"".join([number(1, 2), number(channels, 2), number(8000, 4), number(8000 * frame, 4), number(frame, 2),
                    number(8 * width, 2)])
    size = len(samples) if declared is None else declared
    form = b"".join([b"WAVEfmt ", number(16, 4), fmt, b"data", number(size, 4), samples, behind])
    return (b"RIFF" if order == "little" else b"RIFX") + number(len(form), 4) + form


def chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)


SHORTS = st.lists(st.integers(-2**15, 2**15 - 1), min_size=1, max_size=40).map(
    lambda numbers: np.array(numbers, "<i2"))


@given(numbers=SHORTS, channels=st.integers(1, 3), order=st.sampled_from(["little", "big"]),
       declared=st.integers(0, 200) | st.integers(0, 2**32 - 1), cut=st.integers(0, 5))
@example(numbers=np.array([1, 2], "<i2"), channels=1, order="little", declared=0, cut=0)
@settings(max_examples=300)
def test_wav_gives_every_sample_that_is_there_or_is_refused(numbers: Any, channels: int, order: str, declared: int,
                                                            cut: int) -> None:
    stored = np.repeat(numbers, channels).astype("<i2" if order == "little" else ">i2").tobytes()
    stored = stored[:len(stored) - cut]
    try:
        waveform = decode(wav(stored, declared, order=order, channels=channels), name="r1", max_duration_s=100)
    except RecordingRejected:
        assert len(stored) != declared or cut
        return
    frames = len(stored) / (2 * channels)
    assert len(waveform.samples) == frames
    np.testing.assert_array_equal(waveform.samples * 2**15, numbers[:len(waveform.samples)])


@given(stored=st.binary(min_size=1, max_size=60), declared=st.integers(0, 70))
@settings(max_examples=300)
def test_wav_of_8_bits_keeps_every_byte_but_a_zero_that_fills_up_an_odd_length(stored: bytes, declared: int) -> None:
    try:
        waveform = decode(wav(stored, declared, width=1), name="r1", max_duration_s=100)
    except RecordingRejected:
        assert len(stored) != declared
        return
    np.testing.assert_array_equal(waveform.samples * 128 + 128, list(stored[:declared]))
    assert stored[declared:] in (b"", b"\0")


@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_wav_header_that_declares_less_than_follows_is_refused_for_every_kind_of_sample(kind: str, subtype: str,
                                                                                          channels: int) -> None:
    content = encoded(kind, np.stack([NOISE] * channels, 1), subtype=subtype)
    assert len(read(content).samples) == len(NOISE)
    at = content.index(b"data") + 4
    size = int.from_bytes(content[at:at + 4], "little")
    for declared in (0, 1200, size - 24):
        rejection = refusal(content[:at] + declared.to_bytes(4, "little") + content[at + 4:])
        assert rejection.rule == "be as long as its header declares"
        assert rejection.value == f"{len(content) - at - 4} bytes behind a header that declares {declared} bytes"
        assert "ffmpeg -ignore_length 1 -i in.wav out.wav" in rejection.action


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32"])
def test_wav_of_fewer_bits_is_read_or_refused_alike(subtype: str) -> None:
    content = encoded("WAV", rate=8000, subtype=subtype)
    assert len(read(content).samples) >= len(NOISE)
    at = content.index(b"data") + 4
    assert refusal(content[:at] + bytes(4) + content[at + 4:]).value.endswith("behind a header that declares 0 bytes")
    assert "truncated" in refusal(content[:-300]).action


INFO = chunk(b"LIST", b"INFOISFT\3\0\0\0abc")
STORED = np.arange(1, 101).astype("<i2").tobytes()


@pytest.mark.parametrize("behind", [
    b"", INFO, chunk(b"id3 ", b"abc"), chunk(b"id3 ", b"abc")[:-1],
    chunk(b"bext", bytes(602)) + chunk(b"iXML", b"<a/>!") + chunk(b"LIST", b"INFO"), chunk(b"PAD ", b"")])
def test_chunks_behind_the_samples_are_passed_over(behind: bytes) -> None:
    assert len(read(wav(STORED, behind=behind)).samples) == 100


@pytest.mark.parametrize("behind", [b"", b"\0", b"\0" + chunk(b"LIST", b"INFO"), chunk(b"LIST", b"INFO")])
def test_an_odd_length_may_be_filled_up_or_not(behind: bytes) -> None:
    assert len(read(wav(bytes(range(101)), behind=behind, width=1)).samples) == 101


@pytest.mark.parametrize("behind", [
    b"\1\2", bytes(100), chunk(b"LIST", b"INFO") + b"\1", chunk(b"LIST", bytes(50))[:-10],
    b"TAG" + bytes(125), b"LIST"])
def test_bytes_behind_the_samples_that_are_no_chunk_are_refused(behind: bytes) -> None:
    rejection = refusal(wav(STORED, behind=behind))
    assert rejection.value == f"{200 + len(behind)} bytes behind a header that declares 200 bytes"


def test_a_second_wav_file_behind_the_first_is_not_lost() -> None:
    assert refusal(wav(STORED) + wav(STORED)).rule == "be readable audio"


@pytest.mark.parametrize("before", [INFO, chunk(b"JUNK", b"abc"), chunk(b"JUNK", bytes(28))])
def test_chunks_before_the_samples_are_passed_over(before: bytes) -> None:
    content = wav(STORED)
    content = content[:36] + before + content[36:]
    assert len(read(content).samples) == 100
    at = content.index(b"data") + 4
    assert refusal(content[:at] + (100).to_bytes(4, "little") + content[at + 4:]).value == (
        "200 bytes behind a header that declares 100 bytes")


@pytest.mark.parametrize("declared", [0x7fff0000, 0x7ffff000, 0x80000000, 0xffffffff, 0xffffffdb])
@pytest.mark.parametrize("order", ["little", "big"])
def test_wav_from_a_pipe_declares_no_length_and_is_read_to_its_end(declared: int, order: str) -> None:
    stored = np.frombuffer(STORED, "<i2").astype("<i2" if order == "little" else ">i2").tobytes()
    np.testing.assert_array_equal(read(wav(stored, declared, order=order)).samples * 2**15, np.arange(1, 101))


def test_samples_in_the_place_of_the_length_are_no_length() -> None:
    """Four bytes are missing, and the first samples read as a length that a pipe would leave."""
    content = wav(np.full(100, -1, "<i2").tobytes())
    at = content.index(b"data") + 4
    assert refusal(content[:at] + content[at + 4:]).value == "240 bytes where the file declares 244"


@pytest.mark.parametrize("declared", [None, 0xffffffff])
def test_half_a_frame_at_the_end_is_refused(declared: int | None) -> None:
    rejection = refusal(wav(STORED + b"\1", declared))
    assert (rejection.rule, rejection.value) == ("end with a whole frame", "201 bytes in frames of 2")
    assert refusal(wav(STORED + b"\1\2", declared, channels=2)).value == "202 bytes in frames of 4"


def test_a_part_of_a_wav_file_whose_header_is_wrong_is_refused_too() -> None:
    content = wav(np.zeros(16000, "<i2").tobytes(), 16000)
    for end_s in (0.5, 1.5, None):
        assert refusal(content, 0.1, end_s).value == "32000 bytes behind a header that declares 16000 bytes"


FLAC = encoded("FLAC")


@given(length=st.integers(1, 20000), declared=st.integers(0, 20100), channels=st.integers(1, 2))
@settings(max_examples=60)
def test_flac_gives_every_sample_that_is_there_or_is_refused(length: int, declared: int, channels: int) -> None:
    samples = np.stack([NOISE[:length]] * channels, 1)
    content = encoded("FLAC", samples)
    if declared in (0, length):
        waveform = read(with_declared_frames(content, declared))
        np.testing.assert_allclose(waveform.samples, NOISE[:length], atol=1e-4)
    elif declared < length:
        value = f"{length} frames behind a header that declares {declared}"
        assert refusal(with_declared_frames(content, declared)).value == value
    else:
        assert refusal(with_declared_frames(content, declared)).value == f"{length} of {declared} declared frames"


def test_flac_that_declares_fewer_frames_than_follow_is_refused_with_both_figures() -> None:
    rejection = refusal(with_declared_frames(FLAC, 4096))
    assert rejection.value == "20000 frames behind a header that declares 4096"
    assert rejection.action == "Its header is wrong: write it again, e.g. `ffmpeg -i in.flac out.flac`."


def test_flac_that_declares_more_frames_than_follow_is_refused_with_both_figures() -> None:
    assert refusal(with_declared_frames(FLAC, 20001)).value == "20000 of 20001 declared frames"
    assert "truncated" in refusal(FLAC[:30000]).action


def test_flac_that_declares_no_length_is_read_in_full_and_in_parts() -> None:
    unknown = with_declared_frames(FLAC, 0)
    np.testing.assert_array_equal(read(unknown).samples, read(FLAC).samples)
    np.testing.assert_array_equal(read(unknown, 0.5, 0.7).samples, read(FLAC, 0.5, 0.7).samples)
    np.testing.assert_array_equal(read(unknown, 0.5).samples, read(FLAC, 0.5).samples)
    with pytest.raises(RecordingRejected, match=r"r1 must last at most 1 s, got 1\.25 s"):
        decode(unknown, name="r1", max_duration_s=1)


def test_flac_cut_off_that_declares_no_length_is_refused() -> None:
    refusal(with_declared_frames(FLAC, 0)[:30000])


def test_a_part_of_flac_is_read_where_it_lies_within_what_is_declared_and_else_refused_for_the_true_reason() -> None:
    wrong = with_declared_frames(FLAC, 12000)
    np.testing.assert_array_equal(read(wrong, 0.5, 0.7).samples, read(FLAC, 0.5, 0.7).samples)
    for end_s in (0.752, 1.0, None):
        assert refusal(wrong, 0.5, end_s).value == "20000 frames behind a header that declares 12000"


def with_declared_frames_behind(tag: bytes, frames: int) -> bytes:
    return tag + with_declared_frames(FLAC, frames)


@pytest.mark.parametrize("behind", [FLAC, encoded("FLAC", NOISE[:300])])
def test_a_second_flac_file_behind_the_first_is_not_lost(behind: bytes) -> None:
    assert refusal(FLAC + behind).value == f"another one from byte {len(FLAC)} on"


def test_flac_is_counted_whatever_its_header_says_of_its_blocks() -> None:
    content = bytearray(FLAC)
    content[12:18] = b"\xff" * 6  # bytes of the shortest and longest block
    assert len(read(bytes(content)).samples) == 20000
    rejection = refusal(with_declared_frames(bytes(content), 4096))
    assert rejection.value == "20000 frames behind a header that declares 4096"


def test_flac_between_tags_is_read() -> None:
    tag = b"ID3\3\0\0\0\0\1\2" + bytes(130)
    assert len(read(with_declared_frames_behind(tag, 0)).samples) == 20000
    assert refusal(with_declared_frames_behind(tag, 5)).value == "20000 frames behind a header that declares 5"
    assert len(read(b"ID3\3\0\0\0\0\1\2" + bytes(130) + FLAC + b"TAG" + bytes(125)).samples) == 20000


@pytest.mark.parametrize(("subtype", "rate"), [("PCM_S8", 8000), ("PCM_16", 44100), ("PCM_24", 12345),
                                               ("PCM_16", 192000), ("PCM_16", 37000), ("PCM_16", 65530)])
def test_flac_of_any_depth_and_rate_is_counted(subtype: str, rate: int) -> None:
    content = encoded("FLAC", NOISE, rate, subtype=subtype)
    assert len(read(content).samples) == 20000
    assert refusal(with_declared_frames(content, 19999)).value == "20000 frames behind a header that declares 19999"


def mp3(**options: Any) -> bytes:
    """Silence, then noise: its bit rate varies where it may."""
    return encoded("MP3", np.concatenate([NOISE / 1000, NOISE / 2]), **options)


def counted_at(content: bytes) -> int:
    found = re.search(rb"Xing|Info", content)
    assert found is not None
    return found.start() + 8


def with_told_frames(content: bytes, frames: int) -> bytes:
    at = counted_at(content)
    return content[:at] + frames.to_bytes(4) + content[at + 4:]


def without_count(content: bytes) -> bytes:
    """The same MP3 without the frame that tells how many there are."""
    following = content.index(content[:2], counted_at(content))
    return content[following:]


@pytest.mark.parametrize("wrong", [-300, -70, -1, 1, 70])
def test_mp3_that_tells_another_number_of_frames_is_refused_with_both_figures(wrong: int) -> None:
    content = mp3()
    at = counted_at(content)
    frames = int.from_bytes(content[at:at + 4])
    assert len(read(content).samples) == 40000
    told = max(1, frames + wrong)
    rejection = None
    with pytest.raises(RecordingRejected) as caught:
        read(with_told_frames(content, told))
    rejection = caught.value
    if told == 1:  # libsndfile does not even open it
        assert rejection.rule == "be readable audio"
    elif wrong < 0:
        assert rejection.value == f"{frames} frames of MP3 behind a header that declares {told}"
        assert "ffmpeg -i in.mp3 out.flac" in rejection.action
    else:
        assert rejection.value == f"{frames} of {told} declared frames of MP3"
        assert "Copy the file again" in rejection.action


@pytest.mark.parametrize("options", [{"bitrate_mode": "VARIABLE"}, {"bitrate_mode": "CONSTANT"},
                                     {"bitrate_mode": "AVERAGE"}, {"rate": 22050}, {"rate": 44100}, {"rate": 48000}])
def test_mp3_that_does_not_tell_its_frames_is_read_to_the_last(options: dict[str, Any]) -> None:
    content = mp3(**options)
    at = counted_at(content)
    frames, per_frame = int.from_bytes(content[at:at + 4]), 1152 if options.get("rate", 0) > 32000 else 576
    heard = read(without_count(content)).samples
    assert len(heard) == frames * per_frame - DECODER_DELAY
    whole = read(content).samples
    lag = int(np.correlate(heard[20000:30000], whole[21000:28000], "valid").argmax()) - 1000
    np.testing.assert_allclose(heard[lag + 2000:][:38000], whole[2000:], atol=1e-4)
    part = read(without_count(content), 0.3, 0.5)
    first, last = round(0.3 * part.rate), round(0.5 * part.rate)
    np.testing.assert_allclose(part.samples, heard[first:last], atol=1e-4)


@given(share=st.floats(0.05, 0.99), counts=st.booleans())
@settings(max_examples=40)
def test_mp3_cut_off_within_a_frame_is_refused_and_else_read_to_its_last_frame(share: float, counts: bool) -> None:
    content = mp3(bitrate_mode="CONSTANT", compression_level=0.5)
    content = content if counts else without_count(content)
    cut = content[:int(len(content) * share)]
    try:
        waveform = read(cut)
    except RecordingRejected:
        return
    assert not counts
    assert (len(waveform.samples) + DECODER_DELAY) % 576 == 0
    assert (len(waveform.samples) + DECODER_DELAY) // 576 == round(len(cut) / len(content) * FRAMES)


def test_mp3_between_tags_is_read() -> None:
    tags = (b"APETAGEX" + (2000).to_bytes(4, "little") + (40).to_bytes(4, "little") + bytes(4) + b"\0\0\0\xa0"
            + bytes(8) + bytes(40) + b"TAG" + bytes(range(1, 126)))
    for content in (mp3(), without_count(mp3())):
        tagged = read(b"ID3\3\0\0\0\0\0\x0a" + bytes(10) + content + tags).samples
        np.testing.assert_array_equal(tagged, read(content).samples)


@pytest.mark.parametrize(("behind", "value"), [
    (b"hello world", "something else at byte"), (mp3(rate=44100), "something else at byte"),
    (mp3(), "frames of MP3 behind a header that declares")])
def test_mp3_with_something_else_behind_it_is_refused(behind: bytes, value: str) -> None:
    assert value in str(refusal(mp3() + behind).value)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_cut_off_is_refused_wherever_it_was_cut(subtype: str) -> None:
    content = encoded("OGG", np.tile(NOISE, 20), subtype=subtype)
    assert len(read(content).samples) == 400000
    pages = [found.start() for found in re.finditer(b"OggS", content)]
    assert len(pages) > 5
    for cut in [*pages[2:], *(page + 1000 for page in pages[2:]), *(page + 3 for page in pages[2:]), len(content) - 1]:
        rejection = refusal(content[:cut])
        assert rejection.rule in ("be as long as its header declares", "be readable audio")
        assert "truncated" in rejection.action
    assert refusal(content[:pages[4]]).value == "4 pages, none of which says that it is the last"


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_a_second_ogg_file_behind_the_first_is_not_lost(subtype: str) -> None:
    content = encoded("OGG", subtype=subtype)
    assert refusal(content + content).value == f"another one from byte {len(content)} on"


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_that_lost_a_page_is_refused(subtype: str) -> None:
    content = encoded("OGG", np.tile(NOISE, 20), subtype=subtype)
    pages = [found.start() for found in re.finditer(b"OggS", content)]
    assert refusal(content[:pages[3]] + content[pages[4]:]).value == "page 5 as page 4"


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("page", [3, -1])
def test_ogg_with_a_damaged_page_is_refused(subtype: str, page: int) -> None:
    content = encoded("OGG", np.tile(NOISE, 20), subtype=subtype)
    pages = [found.start() for found in re.finditer(b"OggS", content)]
    damaged = bytearray(content)
    damaged[pages[page] + 500] ^= 1
    assert refusal(bytes(damaged)).value == f"a damaged one as page {range(len(pages))[page] + 1}"


def test_ogg_with_a_tag_behind_it_is_read() -> None:
    assert len(read(encoded("OGG") + b"TAG" + bytes(125)).samples) == 20000


DAMAGED = {kind: encoded(kind, NOISE / 4) for kind in ("WAV", "FLAC", "MP3", "OGG")}


@given(kind=st.sampled_from(sorted(DAMAGED)), at=st.floats(0, 1), gone=st.integers(0, 3000),
       put=st.binary(max_size=40))
@example(kind="WAV", at=0.001, gone=4, put=b"")
@example(kind="MP3", at=0.03125, gone=0, put=b"\0")
@settings(max_examples=200)
def test_what_was_cut_out_of_a_file_is_never_missing_silently(kind: str, at: float, gone: int, put: bytes) -> None:
    content = DAMAGED[kind]
    first = int(at * len(content))
    try:
        waveform = read(content[:first] + put + content[first + gone:])
    except RecordingRejected:
        return
    assert len(waveform.samples) >= 20000


def test_a_forged_header_takes_no_memory() -> None:
    before = peak_memory()
    content = file_bytes(tone(0.5), "FLAC")
    assert refusal(with_declared_frames(content, 2**36 - 1)).rule == "last at most 100 s"
    assert refusal(content[:42] + bytes(10**7)).value == "0 of 8000 declared frames"
    assert refusal(wav(STORED, 0, chunk(b"LIST", bytes(10**7)) + b"\1")).rule == "be as long as its header declares"
    assert str(refusal(with_told_frames(mp3(), 2**32 - 1)).value).endswith(" of 4294967295 declared frames of MP3")
    assert peak_memory() - before < 200 << 20


def peak_memory() -> int:
    """Most bytes that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
