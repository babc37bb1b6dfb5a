"""Frames of a stream are those of the whole recording."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile

from evenvoice.data.audio import Waveform, resample
from evenvoice.data.features import LogMel
from evenvoice.data.streaming import AudioBlocks, StreamingLogMel
from evenvoice.errors import RecordingRejected
from tests.builders.audio import with_declared_frames
from tests.builders.models import FEATURIZE

SAMPLES = np.random.default_rng(0).uniform(-0.5, 0.5, 5000).astype(np.float32)
LOG_MEL = LogMel(FEATURIZE, 8000)


@pytest.mark.parametrize("rate", [8000, 16000, 11025])
@pytest.mark.parametrize("block", [1, 7, 80, 333, 5000])
def test_blocks_of_any_size_give_the_frames_of_the_whole(rate, block):
    front_end = StreamingLogMel(LOG_MEL, rate)
    found = [front_end.feed(SAMPLES[start:start + block]) for start in range(0, len(SAMPLES), block)]
    whole = LOG_MEL(resample(Waveform(SAMPLES, rate), 8000).samples)
    np.testing.assert_allclose(np.concatenate([*found, front_end.finish()]), whole, atol=1e-4)


@pytest.mark.parametrize("samples", [0, 1, 199, 200, 279, 280])
def test_a_short_recording_has_the_frame_it_has_as_a_whole(samples):
    front_end = StreamingLogMel(LOG_MEL, 8000)
    found = np.concatenate([front_end.feed(SAMPLES[:samples]), front_end.finish()])
    np.testing.assert_allclose(found, LOG_MEL(SAMPLES[:samples]), atol=1e-5)


def test_channels_are_averaged_block_by_block(tmp_path):
    soundfile.write(tmp_path / "two.flac", np.stack([SAMPLES, -SAMPLES / 2], axis=1), 8000)
    with AudioBlocks(tmp_path / "two.flac", 0.1) as blocks:
        read = list(blocks)
    assert [len(block) for block in read] == [800] * 6 + [200]
    np.testing.assert_allclose(np.concatenate(read), SAMPLES / 4, atol=1e-4)


def test_standard_input_is_read_from_a_pipe(tmp_path):
    soundfile.write(tmp_path / "a.wav", SAMPLES, 8000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[40:44] = b"\xff\xff\xff\xff"  # as programs write that do not know the length yet
    answer = heard_from_a_pipe(bytes(content))
    assert answer.stdout.split() == [b"8000", b"5000"]


def heard_from_a_pipe(content):
    return heard(input=content)


def heard(**standard_input):
    program = ("from pathlib import Path; from evenvoice.data.streaming import AudioBlocks\n"
               "with AudioBlocks(Path('-'), 0.1) as blocks: print(blocks.rate, sum(map(len, blocks)))")
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, **standard_input)


def test_a_pipe_that_ends_before_its_header_says_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", SAMPLES, 8000)
    answer = heard_from_a_pipe((tmp_path / "a.wav").read_bytes()[:-4000])
    assert answer.returncode != 0
    assert b"standard input must be as long as its header declares, got 3000 of 5000 declared frames" in answer.stderr


@pytest.mark.parametrize("change", [-4000, 4000])
def test_a_file_as_standard_input_is_checked_as_any_file(tmp_path, change):
    soundfile.write(tmp_path / "a.wav", SAMPLES, 8000)
    content = declaring((tmp_path / "a.wav").read_bytes(), 10000 - change)
    (tmp_path / "a.wav").write_bytes(content)
    with (tmp_path / "a.wav").open("rb") as file:
        answer = heard(stdin=file)
    assert answer.stdout == b""
    assert b"standard input must be as long as its header declares" in answer.stderr
    (tmp_path / "a.wav").write_bytes(declaring(content, 10000))
    with (tmp_path / "a.wav").open("rb") as file:
        assert heard(stdin=file).stdout.split() == [b"8000", b"5000"]


def test_a_truncated_file_is_refused_before_a_word_of_it(tmp_path):
    soundfile.write(tmp_path / "a.wav", SAMPLES, 8000)
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:-4000])
    with pytest.raises(RecordingRejected, match=r"a\.wav must be as long as its header declares, got 6000 of 10000"):
        AudioBlocks(tmp_path / "a.wav", 0.1)


def test_a_named_pipe_is_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", SAMPLES, 8000)
    os.mkfifo(tmp_path / "pipe.wav")
    writer = threading.Thread(target=(tmp_path / "pipe.wav").write_bytes, args=[(tmp_path / "a.wav").read_bytes()])
    writer.start()
    with AudioBlocks(tmp_path / "pipe.wav", 0.1) as blocks:
        assert sum(map(len, blocks)) == 5000
    writer.join()


@pytest.mark.parametrize(("sample", "message"), [
    (np.nan, "must hold finite samples, got NaN or infinity"), (np.inf, "must hold finite samples"),
    (1e30, r"must hold samples of at most 1\.04858e\+06 \(full scale is 1\), got 1e\+30")])
def test_a_sample_that_is_no_sound_is_refused(tmp_path, sample, message):
    soundfile.write(tmp_path / "a.wav", np.append(SAMPLES, np.float32(sample)), 8000, subtype="FLOAT")
    with AudioBlocks(tmp_path / "a.wav", 0.1) as blocks, pytest.raises(RecordingRejected, match=message):
        list(blocks)


def test_integers_stored_as_floats_are_refused_with_what_to_do(tmp_path):
    soundfile.write(tmp_path / "a.wav", SAMPLES * 32768, 8000, subtype="FLOAT")
    message = (r"a\.wav must hold samples of at most 4 when streamed \(full scale is 1\), got 16[0-9.]*: integers "
               r"stored as floats\? instead\. Transcribe it without --stream")
    with AudioBlocks(tmp_path / "a.wav", 0.1) as blocks, pytest.raises(RecordingRejected, match=message):
        list(blocks)


def test_a_mild_overshoot_passes_as_it_is(tmp_path):
    soundfile.write(tmp_path / "a.wav", SAMPLES * 7, 8000, subtype="FLOAT")
    with AudioBlocks(tmp_path / "a.wav", 0.1) as blocks:
        np.testing.assert_array_equal(np.concatenate(list(blocks)), SAMPLES * 7)


def declaring(content, size):
    return content[:40] + size.to_bytes(4, "little") + content[44:]


@pytest.mark.parametrize("declared", [0, 2, 3999, 9998])
def test_a_header_that_declares_less_than_follows_is_refused(tmp_path, declared):
    soundfile.write(tmp_path / "a.wav", SAMPLES, 8000)
    content = declaring((tmp_path / "a.wav").read_bytes(), declared)
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(RecordingRejected, match=f"got 10000 bytes behind a header that declares {declared} bytes"):
        AudioBlocks(tmp_path / "a.wav", 0.1)
    answer = heard_from_a_pipe(content)
    assert answer.returncode != 0
    assert b"standard input must be as long as its header declares" in answer.stderr
    assert f"got more behind a header that declares {declared // 2} frames instead".encode() in answer.stderr


def test_chunks_behind_the_samples_of_a_pipe_are_passed_over(tmp_path):
    soundfile.write(tmp_path / "a.wav", SAMPLES, 8000)
    chunks = b"id3 \3\0\0\0abc\0LIST" + (100000).to_bytes(4, "little") + bytes(100000)
    answer = heard_from_a_pipe((tmp_path / "a.wav").read_bytes() + chunks)
    assert answer.stdout.split() == [b"8000", b"5000"]
    assert heard_from_a_pipe((tmp_path / "a.wav").read_bytes() + chunks + b"\1\2").returncode != 0


def test_flac_is_read_to_its_end_whatever_its_header_says_or_refused(tmp_path):
    soundfile.write(tmp_path / "a.flac", SAMPLES, 8000)
    content = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(with_declared_frames(content, 0))
    with AudioBlocks(tmp_path / "a.flac", 0.1) as blocks:
        assert sum(map(len, blocks)) == 5000
    for frames, value in ((4096, "5000 frames behind a header that declares 4096"),
                          (5001, "5000 of 5001 declared frames")):
        (tmp_path / "a.flac").write_bytes(with_declared_frames(content, frames))
        with pytest.raises(RecordingRejected, match=f"got {value} instead"):
            AudioBlocks(tmp_path / "a.flac", 0.1)


@pytest.mark.parametrize(("name", "content", "message"), [
    ("missing.wav", None, "missing.wav must be a file that can be read, got No such file or directory instead"),
    ("text.wav", b"hello", "text.wav must be readable audio"),
    ("empty.wav", b"", "empty.wav must be readable audio")])
def test_what_is_not_audio_is_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordingRejected, match=message):
        AudioBlocks(tmp_path / name, 0.1)
